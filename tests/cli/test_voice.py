"""What the watcher says never waits for who reads it, and what was lost is told."""

import json
import os
import time
from pathlib import Path

import pytest

from konivrer_watch.cli import voice as module
from konivrer_watch.cli.progress import ProgressBar
from konivrer_watch.cli.voice import Voice
from konivrer_watch.core.model import Change, ChangeKind, Problem, ProblemKind, Skip
from konivrer_watch.core.status import (
    ChangesSeen,
    Event,
    Fault,
    QueueDrained,
    SettingsRead,
    Status,
    SweepFinished,
)

SWEPT = Status(swept="2026-01-01T00:00:00Z", as_of="2026-01-01T00:00:00Z")
DRAINED = QueueDrained()


class Pipe:
    """A pipe whose reader may be slow."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def fill(self) -> int:
        """Leave no room, and return how many bytes that took."""
        os.set_blocking(self.writer, False)
        filled = 0
        for size in (65536, 1):
            try:
                while True:
                    filled += os.write(self.writer, b"x" * size)
            except BlockingIOError:
                continue
        os.set_blocking(self.writer, True)
        return filled

    def drain(self, voice: Voice) -> bytes:
        """Return all that was written, once the writer has ended."""
        voice._thread.join(10)
        assert not voice._thread.is_alive()
        os.close(self.writer)
        with os.fdopen(self.reader, "rb") as stream:
            return stream.read()


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
    with Voice(pipe.writer, as_json=as_json, color=False) as voice:
        voice.begin(Path("/r"))
        voice.hear(DRAINED, (), SWEPT)
        for number in range(50):
            if not as_json:
                voice.begin(Path("/r"))
            voice.hear(changes(number), (), SWEPT)
        assert read_exactly(pipe.reader, filled) == b"x" * filled
        # There is room again for all that waits; the next line says what was lost before it.
        deadline = time.monotonic() + 10
        while not voice._lines.empty() and time.monotonic() < deadline:
            time.sleep(0.005)
        voice.begin(Path("/last"))
        voice.hear(DRAINED, (), SWEPT)
    lines = pipe.drain(voice).decode().splitlines()
    if as_json:
        reasons = [json.loads(line).get("reason") for line in lines]
        assert any(reason and "lost: nobody read them in time" in reason for reason in reasons)
    else:
        assert any("lost: nobody read them in time" in line for line in lines)
        assert any("/last" in line for line in lines)


def said(*events: tuple[Event, Status], as_json: bool = False) -> list[str]:
    pipe = Pipe()
    with Voice(pipe.writer, as_json=as_json, color=False) as voice:
        voice.begin(Path("/r"))
        for event, status in events:
            voice.hear(event, (), status)
    assert voice.fault is None
    return pipe.drain(voice).decode().splitlines()


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
