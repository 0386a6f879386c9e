"""The status as text: how it is first, what mends it last, and nothing that harms a terminal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Level, LogFile, Pass, Problem, ProblemKind
from konivrer_watch.report.json import findings_json, problem_json
from konivrer_watch.report.status import (
    HealReport,
    LoadReport,
    LogReport,
    PullReport,
    StatusReport,
    WatchReport,
)
from konivrer_watch.report.status_text import status_text
from tests.report.samples import UNUSED

NOW = datetime(2026, 1, 1, 0, 3, tzinfo=UTC)
WHOLE = StatusReport(
    root="/r",
    state="watching",
    healthy=True,
    pid=7,
    launcher="terminal",
    uptime_s=93_784,
    as_of="2026-01-01T00:00:00.123456Z",
    complete=True,
    findings=dict.fromkeys(Level, 0),
    watch=WatchReport("watchfiles", 3),
)


def lines(**changes: Any) -> list[str]:
    return status_text(msgspec.structs.replace(WHOLE, **changes), NOW).splitlines()


def test_a_healthy_watcher_in_a_terminal_is_told_in_ten_lines() -> None:
    assert lines() == [
        "/r: watching, healthy",
        "  runs       terminal, process 7, up 1 d 2 h 3 min",
        "  as of      2026-01-01T00:00:00Z (3 min ago)",
        "  queue      0 waiting, 0 running",
        "  findings   0 errors, 0 warnings, 0 notes",
        "  load       not measured: no work",
        "  heal       never",
        "  pull       off",
        "  watch      watchfiles, 3 folders",
        "  memory     0 MB, engines 0 MB",
    ]


def test_what_is_wrong_comes_first_and_what_mends_it_last() -> None:
    told = lines(
        state="degraded",
        healthy=False,
        reason="inotify limit",
        complete=False,
        synced=False,
        mend="konivrer-watch restart /r",
        watch=WatchReport("watchfiles", 3, 9, "inotify limit", "2026-01-01T00:02:50Z", 2),
    )
    assert told[:2] == ["/r: degraded, NOT HEALTHY", "  why        inotify limit"]
    assert told[-1] == "  mend       konivrer-watch restart /r"
    assert "  as of      2026-01-01T00:00:00Z (3 min ago), incomplete; NOT IN SYNC: the time" in told
    assert "             given was not enough" in told
    assert "  watch      watchfiles, 3 folders of 9 that the system allows; last heard" in told
    assert "             2026-01-01T00:02:50Z (10 s ago); 2 changes announced by no event" in told


def test_a_background_service_tells_its_supervisor_its_restarts_and_their_reason() -> None:
    told = lines(
        launcher="direct",
        supervisor_pid=6,
        started="2026-01-01T00:00:00Z",
        restarts=3,
        restart_reason="killed by signal 9",
    )
    assert "  runs       direct, process 7, up 1 d 2 h 3 min, supervisor 6, started" in told
    assert "             2026-01-01T00:00:00Z (3 min ago)" in told
    assert "  restarted  3 times; the life before ended so: killed by signal 9" in told
    assert "  logs       none yet" in told


def test_what_costs_no_health_is_a_note() -> None:
    assert lines(reason="the log is full")[1] == "  note       the log is full"
    assert lines(reason="others use 95 %", state="paused")[1] == "  why        others use 95 %"


def test_a_load_is_told_with_whom_work_waits_for_and_how_long() -> None:
    text = " ".join(" ".join(lines(load=LoadReport(95.34, None, 0.0, 80, True, 61, "cc1plus"))).split())
    assert (
        "load 95.3 % CPU and unknown memory used by others (work waits above 80 %), 0.0 % CPU by this service; "
        "paused for 1 min 1 s, mostly because of cc1plus heal"
    ) in text


def test_heal_and_pull_are_told_once_there_were_any() -> None:
    told = lines(
        heal=HealReport("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", 2, 1),
        pull=PullReport("2026-01-01T00:00:00Z", "skipped", "dirty"),
    )
    assert "  heal       2026-01-01T00:00:00Z (3 min ago): 2 found, 1 mended; the next" in told
    assert "             2026-01-01T01:00:00Z (in 57 min)" in told
    assert "  pull       skipped 2026-01-01T00:00:00Z (3 min ago): dirty" in told


def test_each_log_is_named_with_size_and_age_and_one_that_was_never_written_too() -> None:
    log = LogReport(f"/s/own/logs/{LogFile.SERVICE}", 1234, "2026-01-01T00:02:59Z")
    told = lines(logs=[log, msgspec.structs.replace(log, path=f"/s/own/logs/{LogFile.HEAL}", bytes=7)])
    at = told.index("  logs       in /s/own/logs")
    assert told[at + 1 : at + 4] == [
        "             auto-service-continuous.log: 1.2 kB, 1 s ago",
        "             automation-continuous.log: never written",
        "             auto-heal.log: 7 bytes, 1 s ago",
    ]
    assert max(map(len, lines(logs=[msgspec.structs.replace(log, bytes=99_999_999)]))) <= 80


def test_no_more_than_ten_problems_are_listed_and_findings_follow() -> None:
    problem = problem_json(b"b\x1b.py", Pass.LINT, Problem(ProblemKind.ENGINE, "x", "y"))
    told = lines(problems=[problem] * 1234, findings_list=findings_json([(b"a.py", UNUSED)]))
    assert told.count("  problem    b\\x1b.py (lint): x; y") == 10
    assert told[-2] == "             and 1,224 more (--format json names all)"
    assert told[-1] == "a.py:1:8: F401 `os` imported but unused"


@given(st.text(), st.text(), st.text())
def test_every_line_is_printable_whatever_is_named(root: str, reason: str, mend: str) -> None:
    told = status_text(
        msgspec.structs.replace(
            WHOLE, root=root, reason=reason, mend=mend, launcher=reason, started=root, restarts=2
        ),
        NOW,
    )
    printable = told.replace("\n", "")
    assert "\x1b" not in printable
    assert "\r" not in printable
    assert all(line.encode() for line in told.split("\n"))


@given(st.lists(st.text("abc/", min_size=1, max_size=60), max_size=30))
def test_no_line_of_short_words_is_wider_than_a_terminal(words: list[str]) -> None:
    assert max(map(len, lines(reason=" ".join(words)))) <= 80


def test_a_stopped_root_is_neither_healthy_nor_unhealthy_and_says_how_it_ran(tmp_path: Path) -> None:
    gone = StatusReport(
        root="/r",
        state="stopped",
        healthy=False,
        reason="x",
        launcher="direct",
        started="2026-01-01T00:00:00Z",
    )
    assert status_text(gone, NOW).splitlines() == [
        "/r: stopped",
        "  why        x",
        "  ran        direct, started 2026-01-01T00:00:00Z (3 min ago)",
        "  logs       none yet",
    ]
