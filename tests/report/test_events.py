"""What the watcher prints: lines for people, and one JSON object per line for programs."""

import json
from datetime import timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import ChangeKind, Pass
from konivrer_watch.report.events import (
    ChangeLine,
    Event,
    HealLine,
    PullLine,
    StateLine,
    VerdictLine,
    event_json,
    event_text,
)
from tests.report.samples import BROKEN, JOIN, SHELL, UNUSED, findings, messages, paths, problems

AT = "2026-01-01T23:30:15Z"
VERDICT = VerdictLine(
    at=AT,
    path=b"django/x.py",
    passes=(Pass.LINT, Pass.OPTIMIZE, Pass.SECURITY),
    complete=True,
    findings=(SHELL, UNUSED),
    appeared=(SHELL, UNUSED),
    gone=(JOIN,),
    trigger="save",
    latency_ms=41,
)
some = st.lists(findings, max_size=3).map(tuple)
verdicts = st.builds(
    VerdictLine,
    at=st.just(AT),
    path=paths,
    passes=st.lists(st.sampled_from(Pass), unique=True).map(tuple),
    complete=st.booleans(),
    findings=some,
    appeared=some,
    gone=some,
    trigger=messages,
    latency_ms=st.integers(0, 5000),
    problems=st.lists(st.tuples(st.none() | st.sampled_from(Pass), problems), max_size=2).map(tuple),
)
reasons = st.none() | messages
events: st.SearchStrategy[Event] = st.one_of(
    verdicts,
    st.builds(ChangeLine, st.just(AT), paths, st.sampled_from(ChangeKind)),
    st.builds(StateLine, st.just(AT), messages, reasons),
    st.builds(PullLine, st.just(AT), messages, reasons),
    st.builds(HealLine, st.just(AT), st.integers(0, 9), st.integers(0, 9)),
)


def plain(event: Event) -> list[str]:
    return event_text(event, color=False).splitlines()


def changed(**values: object) -> VerdictLine:
    return msgspec.structs.replace(VERDICT, **values)


def test_a_verdict_shows_what_is_new_and_what_went() -> None:
    assert plain(VERDICT) == [
        "23:30:15  django/x.py  2 new, 1 gone  (lint optimize security, 41 ms)",
        "  + 1:8: F401 [unused-import] `os` imported but unused [*]",
        f"  + 3:1: B602 [{SHELL.name}] {SHELL.message}",
        "  - 2:5: OPT101 [join-genexp] a list is faster here",
    ]


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (changed(findings=(), appeared=(), gone=()), "clean  (lint optimize security, 41 ms)"),
        (changed(appeared=(), gone=()), "2 findings as before  (lint optimize security, 41 ms)"),
        (changed(passes=(), findings=(), appeared=(), gone=(), trigger="removed"), "clean  (removed)"),
        (
            changed(complete=False, findings=(), appeared=(), gone=()),
            "INCOMPLETE  (lint optimize security, 41 ms)",
        ),
        (changed(complete=False, gone=()), "INCOMPLETE, 2 new  (lint optimize security, 41 ms)"),
    ],
)
def test_the_first_line_of_a_verdict_sums_it_up(verdict: VerdictLine, line: str) -> None:
    assert plain(verdict)[0] == f"23:30:15  django/x.py  {line}"


def test_a_problem_stands_below_its_verdict_with_its_hint() -> None:
    verdict = changed(complete=False, findings=(), appeared=(), gone=(), problems=((Pass.LINT, BROKEN),))
    assert plain(verdict)[1:] == [
        "  problem (lint): cannot be parsed: line 3",
        "    hint: add it to exclude",
    ]


def test_other_events_are_one_line_with_their_reason() -> None:
    lines = [
        *plain(StateLine(AT, "paused", "CPU: other programs use 93 % (make\x1b)")),
        *plain(StateLine(AT, "watching")),
        *plain(PullLine(AT, "skipped", "the work tree has changes")),
        *plain(HealLine(AT, 1200, 3)),
        *plain(ChangeLine(AT, b"a\nb.py", ChangeKind.MODIFIED)),
    ]
    assert lines == [
        "23:30:15  paused: CPU: other programs use 93 % (make\\x1b)",
        "23:30:15  watching",
        "23:30:15  pull: skipped: the work tree has changes",
        "23:30:15  heal: 1,200 found, 3 mended",
        "23:30:15  a\\x0ab.py  modified",
    ]


def test_the_clock_shows_the_zone_that_is_asked_for() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert event_text(StateLine(AT, "watching"), color=False, zone=zone) == "05:00:15  watching"


def test_a_block_shows_the_worst_twenty_and_counts_the_rest() -> None:
    new = (*[msgspec.structs.replace(UNUSED, line=line) for line in range(1, 31)], SHELL)
    lines = plain(changed(appeared=new, gone=new[:30]))
    assert sum(line.startswith("  + ") for line in lines) == 20
    assert any("B602" in line for line in lines)
    assert lines[21] == "  and 11 more new"
    assert sum(line.startswith("  - ") for line in lines) == 20
    assert lines[-1] == "  and 10 more gone"


def test_bytes_that_are_no_python_are_one_problem_of_the_file_with_one_hint() -> None:
    other = msgspec.structs.replace(BROKEN, message="cannot be parsed: invalid syntax in line 3")
    verdict = changed(appeared=(), gone=(), problems=((Pass.OPTIMIZE, BROKEN), (Pass.SECURITY, other)))
    assert plain(verdict)[1:] == [
        "  problem (optimize, security): cannot be parsed: line 3",
        "    hint: add it to exclude",
    ]


def test_a_file_that_is_gone_says_whether_it_was_removed_or_cannot_be_seen() -> None:
    gone = changed(passes=(), findings=(), appeared=(), gone=(JOIN,), trigger="removed")
    assert plain(gone)[0] == "23:30:15  django/x.py  1 gone  (removed)"
    unseen = msgspec.structs.replace(gone, complete=False, trigger="skipped")
    assert plain(unseen)[0] == "23:30:15  django/x.py  INCOMPLETE, 1 gone  (skipped)"


def test_for_a_log_there_is_no_clock_and_each_line_names_its_file() -> None:
    new = tuple([msgspec.structs.replace(UNUSED, line=line) for line in range(1, 31)])
    verdict = changed(appeared=new, complete=False, problems=((Pass.LINT, BROKEN),))
    lines = event_text(verdict, color=False, zone=None).splitlines()
    assert lines[0] == "django/x.py  INCOMPLETE, 30 new, 1 gone  (lint optimize security, 41 ms)"
    assert lines[1] == "  + django/x.py:1:8: F401 [unused-import] `os` imported but unused [*]"
    assert lines[21:] == [
        "  django/x.py: and 10 more new",
        "  - django/x.py:2:5: OPT101 [join-genexp] a list is faster here",
        "  problem django/x.py (lint): cannot be parsed: line 3",
        "    hint: add it to exclude",
    ]
    assert event_text(StateLine(AT, "paused", "CPU"), color=False, zone=None) == "paused: CPU"


def test_a_verdict_in_json_has_the_documented_keys() -> None:
    document = json.loads(event_json(changed(path=b"\xff.py", problems=((Pass.LINT, BROKEN),))))
    assert list(document) == [
        *("event", "at", "path", "path_b64", "passes", "complete", "findings", "appeared", "gone"),
        *("trigger", "latency_ms", "problems"),
    ]
    assert (document["event"], document["at"], document["path"]) == ("verdict", AT, "\\xff.py")
    assert document["passes"] == ["lint", "optimize", "security"]
    assert [one["code"] for one in document["findings"]] == ["F401", "B602"]
    assert [one["code"] for one in document["gone"]] == ["OPT101"]
    assert document["problems"][0]["hint"] == "add it to exclude"


@pytest.mark.parametrize(
    ("event", "document"),
    [
        (
            ChangeLine(AT, b"a.py", ChangeKind.ADDED),
            {"event": "change", "at": AT, "path": "a.py", "kind": "added"},
        ),
        (StateLine(AT, "watching"), {"event": "state", "at": AT, "state": "watching", "reason": None}),
        (PullLine(AT, "off"), {"event": "pull", "at": AT, "result": "off", "reason": None}),
        (HealLine(AT, 2, 1), {"event": "heal", "at": AT, "found": 2, "mended": 1}),
    ],
)
def test_other_events_in_json_have_these_keys(event: Event, document: dict[str, object]) -> None:
    assert json.loads(event_json(event)) == document


@given(events)
def test_any_event_is_one_line_of_json_and_printable_text(event: Event) -> None:
    line = event_json(event)
    assert b"\n" not in line
    assert list(json.loads(line))[:2] == ["event", "at"]
    assert not any(ord(sign) < 32 or "\u202a" <= sign <= "\u202e" for row in plain(event) for sign in row)
