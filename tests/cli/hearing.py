"""Lets a voice hear events, and reads what it said."""

import os
from datetime import UTC
from pathlib import Path

from konivrer_watch.cli.voice import Voice
from konivrer_watch.cli.writer import Writer
from konivrer_watch.core.events import Event, FilesJudged, FilesRemoved, QueueDrained
from konivrer_watch.core.model import Finding, Outcome, Pass, Problem, Trigger, Verdict
from konivrer_watch.core.news import News
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.recorder import Judgement

SWEPT = Status(swept="2026-01-01T00:00:00Z", as_of="2026-01-01T00:00:00Z")
DRAINED = QueueDrained()


class Pipe:
    """A pipe whose reader may be slow, and the sink that writes to it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.sink = Writer(self.writer, 2)

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

    def drain(self) -> bytes:
        """Return all that was written, once the writer has ended."""
        self.sink._thread.join(10)
        assert not self.sink._thread.is_alive()
        os.close(self.writer)
        with os.fdopen(self.reader, "rb") as stream:
            return stream.read()


def said(
    *events: tuple[Event, Status] | tuple[Event, Status, tuple[Judgement, ...]],
    as_json: bool = False,
    why: str = "",
) -> list[str]:
    pipe = Pipe()
    with Voice(pipe.sink, as_json=as_json, color=False, zone=UTC) as voice:
        voice.begin(Path("/r"), why)
        for event, status, *judgements in events:
            voice.hear(event, judgements[0] if judgements else (), status)
    assert voice.fault is None
    return pipe.drain().decode().splitlines()


def judged(number: int, trigger: Trigger, *findings: Finding, problem: Problem | None = None) -> Judgement:
    path = b"m%04d.py" % number
    verdict = Verdict(findings, problem=problem)
    outcome = Outcome(path, {}, {Pass.LINT: verdict}, frozenset(), trigger, 2100)
    return Judgement(path, outcome, News(findings, ()))


def removed(path: bytes, *findings: Finding) -> Judgement:
    return Judgement(path, None, News((), findings))


def heard(*judgements: Judgement) -> tuple[Event, Status, tuple[Judgement, ...]]:
    return (FilesJudged(tuple([each.outcome for each in judgements if each.outcome])), SWEPT, judgements)


def gone(*judgements: Judgement) -> tuple[Event, Status, tuple[Judgement, ...]]:
    return (FilesRemoved(tuple([each.path for each in judgements])), SWEPT, judgements)
