"""What the watcher says never waits for who reads it, and what was lost is told."""

import json
import os
import time
from datetime import UTC
from pathlib import Path

import msgspec
import pytest

from konivrer_watch.cli import writer as module
from konivrer_watch.cli.progress import ProgressBar
from konivrer_watch.cli.voice import Voice
from konivrer_watch.core.events import (
    ChangesSeen,
    Fault,
    FilesRemoved,
    HealFinished,
    SettingsRead,
    SweepFinished,
)
from konivrer_watch.core.model import (
    Change,
    ChangeKind,
    Problem,
    ProblemKind,
    Skip,
)
from konivrer_watch.core.status import Status
from tests.cli.hearing import DRAINED, SWEPT, Pipe, removed, said
from tests.report.samples import UNUSED


def read_exactly(reader: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(reader, size - len(data))
    return data


def changes(number: int) -> ChangesSeen:
    return ChangesSeen((Change(b"m%d.py" % number, ChangeKind.MODIFIED, None),))


@pytest.mark.parametrize("as_json", [True, False])
def test_a_reader_that_has_stopped_loses_lines_and_is_told_how_many(
    monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setattr(module, "_BACKLOG", 5)
    pipe = Pipe()
    filled = pipe.fill()
    with Voice(pipe.sink, as_json=as_json, color=False, zone=UTC) as voice:
        voice.begin(Path("/r"))
        voice.hear(DRAINED, (), SWEPT)
        for number in range(50):
            if not as_json:
                voice.begin(Path("/r"))
            voice.hear(changes(number), (), SWEPT)
        assert read_exactly(pipe.reader, filled) == b"x" * filled
        # There is room again for all that waits; the next line says what was lost before it.
        deadline = time.monotonic() + 10
        while not pipe.sink._waiting.empty() and time.monotonic() < deadline:
            time.sleep(0.005)
        voice.begin(Path("/last"))
        voice.hear(DRAINED, (), SWEPT)
    lines = pipe.drain().decode().splitlines()
    if as_json:
        reasons = [json.loads(line).get("reason") for line in lines]
        assert any(reason and "lost: nobody read them in time" in reason for reason in reasons)
    else:
        assert any("lost: nobody read them in time" in line for line in lines)
        assert any("/last" in line for line in lines)


def test_nothing_is_said_before_the_first_event() -> None:
    assert said() == []


def test_faults_are_told_when_they_come_and_when_the_last_is_gone() -> None:
    fault = Fault(b"", None, Problem(ProblemKind.CONFIGURATION, "a.toml: b: no", "correct it"))
    faulty = Status(swept=SWEPT.swept, as_of=SWEPT.as_of, settings_fault=fault)
    told = said((DRAINED, SWEPT), (SettingsRead(fault), faulty), (SettingsRead(None), SWEPT))
    assert told[2:4] == ["problem: a.toml: b: no", "  hint: correct it"]
    assert told[4].endswith("watching: the configurations are valid again")
    assert len(told) == 5
    lines = said((DRAINED, SWEPT), (SettingsRead(fault), faulty), (SettingsRead(None), SWEPT), as_json=True)
    assert [json.loads(line)["reason"] for line in lines] == [
        None,
        "a.toml: b: no",
        "the configurations are valid again",
    ]


def test_the_summary_names_what_was_skipped_and_at_most_ten_problems() -> None:
    faults = tuple(
        [
            Fault(b"c%02d.toml" % number, None, Problem(ProblemKind.CONFIGURATION, f"no {number}", "mend it"))
            for number in range(12)
        ]
    )
    status = Status(
        swept=SWEPT.swept, as_of=SWEPT.as_of, faults=faults, skipped=(Skip(b"a\x1b.py", "a link"),)
    )
    told = said((SweepFinished("2026-01-01T00:00:00Z", status.skipped), status), (DRAINED, status))
    assert sum(line.startswith("problem c") for line in told) == 10
    assert "and 2 more problems" in told
    assert told[-1] == "skipped a\\x1b.py: a link"


@pytest.mark.parametrize("as_json", [True, False])
def test_what_cannot_be_looked_at_any_more_is_told_once_and_its_files_are_not_called_removed(
    as_json: bool,
) -> None:
    skipped = (Skip(b"p1", "Permission denied"),)
    blind = msgspec.structs.replace(SWEPT, skipped=skipped)
    swept = (SweepFinished("2026-01-01T00:00:01Z", skipped), blind)
    lost = (FilesRemoved((b"p1/a.py",)), blind, (removed(b"p1/a.py", UNUSED),))
    told = said((DRAINED, SWEPT), swept, lost, swept, as_json=as_json)
    if as_json:
        events = [json.loads(line) for line in told]
        assert [each.get("reason") for each in events].count("skipped p1: Permission denied") == 1
        verdict = next(each for each in events if each["event"] == "verdict")
        assert (verdict["complete"], verdict["trigger"]) == (False, "skipped")
    else:
        assert told[2].endswith("  skipped p1: Permission denied")
        assert told[3].endswith("  p1/a.py  INCOMPLETE, 1 gone  (skipped)")
        assert len(told) == 5


def test_a_long_first_check_is_announced_and_a_short_one_is_not() -> None:
    found = [Change(b"%d.py" % number, ChangeKind.ADDED, None) for number in range(2789)]
    assert said((ChangesSeen(tuple(found)), Status()))[1:] == ["checking 2,789 files …"]
    assert said((ChangesSeen(tuple(found[:200])), Status()))[1:] == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_watch_that_begins_anew_says_why(as_json: bool) -> None:
    first = said((DRAINED, SWEPT), as_json=as_json, why="the settings changed")[0]
    assert "the settings changed" in (json.loads(first)["reason"] if as_json else first)


def test_a_bar_is_never_wider_than_its_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("konivrer_watch.cli.progress._PATIENCE_SECONDS", 0.0)
    with ProgressBar(shown=True) as bar:
        bar.update(1, 2)
    # That it is cleared in the end is seen on a real terminal, in test_check.py.
    assert capsys.readouterr().err.split("\r")[1] == "[###############---"


def test_a_bar_is_not_drawn_for_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(shown=True) as bar:
        bar.update(2, 2)
    assert capsys.readouterr().err == ""


def test_a_heal_is_told_where_it_found_something_and_to_programs_always() -> None:
    nothing, some = HealFinished("2026-01-01T00:00:00Z", 0, 0), HealFinished("2026-01-01T00:00:00Z", 3, 2)
    lines = said((nothing, SWEPT), (some, SWEPT))
    assert [line for line in lines if "heal" in line] == [f"{lines[-1][:8]}  heal: 3 found, 2 mended"]
    told = [json.loads(line) for line in said((nothing, SWEPT), (some, SWEPT), as_json=True)]
    assert [each["found"] for each in told if each["event"] == "heal"] == [0, 3]
