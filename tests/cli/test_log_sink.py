"""In the background the watcher's words go to a log: quiet, found by searching, and as grave as they are."""

from pathlib import Path

import msgspec
import pytest

from konivrer_watch.cli.log_sink import LogSink
from konivrer_watch.cli.voice import Voice
from konivrer_watch.core.events import (
    ChangesSeen,
    ContextRead,
    Event,
    Fault,
    ProbeMissed,
    ProbeSeen,
    SettingsRead,
    Stalled,
    StoresChecked,
    SweepFinished,
    WorkPaused,
    WorkResumed,
)
from konivrer_watch.core.model import Change, ChangeKind, LogFile, Problem, ProblemKind, Skip, Trigger
from konivrer_watch.core.news import News
from konivrer_watch.core.status import FileState, Status, fold
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.system.logs import Logs
from tests.cli.hearing import DRAINED, SWEPT, gone, heard, judged, removed
from tests.report.samples import LOST, SHELL, UNUSED

AT = "2026-01-01T00:00:00Z"
CONFIGURATION = Fault(b"ruff.toml", None, Problem(ProblemKind.CONFIGURATION, "no such rule", "correct it"))


def logged(
    folder: Path, *events: tuple[Event, Status] | tuple[Event, Status, tuple[Judgement, ...]]
) -> list[str]:
    """What the log holds after the events, without stamps and without the first check's two lines."""
    with (
        Logs(folder, max_bytes=1 << 24, keep=1) as logs,
        Voice(LogSink(logs), as_json=False, color=False, zone=None) as voice,
    ):
        voice.begin(Path("/r"))
        for event, status, *judgements in ((DRAINED, SWEPT), *events):
            voice.hear(event, judgements[0] if judgements else (), status)
    greeting, summary, *lines = [
        line.split(" ", 1)[1] for line in (folder / LogFile.AUTOMATION).read_text().splitlines()
    ]
    assert greeting.startswith("INFO konivrer-watch ")
    assert greeting.endswith(": /r")
    assert summary.startswith("INFO checked 0 files in ")
    return lines


def after(*events: Event) -> list[tuple[Event, Status]]:
    """Each event with the status that it leads to."""
    status, pairs = SWEPT, []
    for event in events:
        status = fold(status, event)
        pairs.append((event, status))
    return pairs


def test_each_line_of_a_save_names_its_file(tmp_path: Path) -> None:
    save = judged(7, Trigger.SAVE, UNUSED, SHELL)
    save = msgspec.structs.replace(save, news=News((UNUSED,), (SHELL,)))
    assert logged(tmp_path, heard(save)) == [
        "INFO m0007.py  1 new, 1 gone  (lint, 2.1 s)",
        "INFO   + m0007.py:1:8: F401 [unused-import] `os` imported but unused [*]",
        f"INFO   - m0007.py:3:1: B602 [{SHELL.name}] {SHELL.message}",
    ]


def test_a_save_without_an_answer_is_a_warning_with_its_file_and_its_hint(tmp_path: Path) -> None:
    assert logged(tmp_path, heard(judged(7, Trigger.SAVE, problem=LOST))) == [
        "WARNING m0007.py  INCOMPLETE  (lint, 2.1 s)",
        "WARNING   problem m0007.py (lint): bandit did not answer",
        "WARNING     hint: run again",
    ]


def test_a_removal_and_an_occasion_are_told_as_on_a_terminal_but_for_the_clock(tmp_path: Path) -> None:
    steered = ChangesSeen((Change(b"ruff.toml", ChangeKind.MODIFIED, None),))
    many = heard(*[judged(number, Trigger.CONFIGURATION, UNUSED) for number in range(100)])
    lines = logged(tmp_path, gone(removed(b"x.py", UNUSED)), (steered, SWEPT), many, (DRAINED, SWEPT))
    assert lines[:4] == [
        "INFO x.py  1 gone  (removed)",
        "INFO   - x.py:1:8: F401 [unused-import] `os` imported but unused [*]",
        "INFO configuration changed: 100 files, 100 new, 0 gone (2.1 s)",
        "INFO   + m0000.py:1:8: F401 [unused-import] `os` imported but unused [*]",
    ]
    assert lines[-1] == "INFO   and 90 more new"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (WorkPaused("CPU: others use 93 %", AT), "WARNING paused: CPU: others use 93 %"),
        (ProbeMissed("nothing is heard"), "WARNING degraded: nothing is heard"),
        (Stalled("nothing was done for 60 s"), "ERROR failed: nothing was done for 60 s"),
        (StoresChecked(("disk full",)), "WARNING watching: disk full"),
        (SweepFinished(AT, (Skip(b"a", "too large"),)), "WARNING skipped a: too large"),
        (SweepFinished(AT, (Skip(b"a", "a link", True),)), "INFO skipped a: a link"),
        (ContextRead((CONFIGURATION,)), "WARNING problem ruff.toml: no such rule"),
        (SettingsRead(CONFIGURATION), "WARNING problem ruff.toml: no such rule"),
    ],
)
def test_each_thing_is_as_grave_in_the_log_as_it_is(tmp_path: Path, event: Event, line: str) -> None:
    assert logged(tmp_path, *after(event))[0] == line


def test_what_is_over_is_told_without_alarm(tmp_path: Path) -> None:
    told = logged(
        tmp_path,
        *after(WorkPaused("CPU", AT), WorkResumed(), SettingsRead(CONFIGURATION), SettingsRead(None)),
    )
    assert told[1] == "INFO watching"
    assert told[-1] == "INFO watching: the configurations are valid again"


def test_an_incomplete_first_check_is_a_warning(tmp_path: Path) -> None:
    status = msgspec.structs.replace(SWEPT, faults=(CONFIGURATION,), files={b"a.py": FileState({}, {})})
    with Logs(tmp_path, max_bytes=1 << 20, keep=1) as logs:
        Voice(LogSink(logs), as_json=False, color=False, zone=None).hear(DRAINED, (), status)
    lines = (tmp_path / LogFile.AUTOMATION).read_text().splitlines()
    assert lines[0].split(" ", 1)[1].startswith("WARNING checked 1 file in ")


def test_a_day_without_a_change_adds_nothing(tmp_path: Path) -> None:
    hourly: list[Event] = [ProbeSeen(AT), SweepFinished(AT, ()), StoresChecked(()), DRAINED] * 60
    assert logged(tmp_path, *after(*hourly * 24)) == []


def test_a_first_check_of_ten_thousand_files_is_a_handful_of_lines(tmp_path: Path) -> None:
    found = ChangesSeen(
        tuple([Change(b"%d.py" % number, ChangeKind.ADDED, None) for number in range(10_000)])
    )
    batches = [
        heard(*[judged(number, Trigger.START, UNUSED) for number in range(first, first + 100)])
        for first in range(0, 10_000, 100)
    ]
    with Logs(tmp_path, max_bytes=1 << 20, keep=1) as logs:
        voice = Voice(LogSink(logs), as_json=False, color=False, zone=None)
        voice.begin(Path("/r"))
        voice.hear(found, (), Status())
        for event, _, judgements in batches:
            voice.hear(event, judgements, Status())
        voice.hear(DRAINED, (), SWEPT)
    assert len((tmp_path / LogFile.AUTOMATION).read_text().splitlines()) == 3


def test_a_log_that_cannot_be_written_ends_no_watch_and_a_bar_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with Logs(tmp_path / "logs", max_bytes=1 << 20, keep=1) as logs:
        voice = Voice(LogSink(logs), as_json=False, color=False, zone=None, bar=True)
        voice.begin(Path("/r"))
        voice.hear(DRAINED, (), SWEPT)
    assert (voice.fault, logs.fault) == (None, f"{LogFile.AUTOMATION} cannot be written: File exists")
