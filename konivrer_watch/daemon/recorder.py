"""Folds every event into the one status, and tells listeners what is new."""

from collections.abc import Callable

import msgspec

from konivrer_watch.core.events import Event, FilesJudged, FilesRemoved
from konivrer_watch.core.model import Finding, Outcome
from konivrer_watch.core.news import News, compare
from konivrer_watch.core.status import Status, fold


class Judgement(msgspec.Struct, frozen=True):
    """One path's new verdicts, and what they changed. ``outcome`` is ``None`` where the file is gone."""

    path: bytes
    outcome: Outcome | None
    news: News


Listener = Callable[[Event, tuple[Judgement, ...], Status], None]


class Recorder:
    """Owns the status."""

    def __init__(self, listener: Listener) -> None:
        self.status = Status()
        self._listener = listener

    def record(self, event: Event) -> None:
        """Fold the event in and tell the listener, with what came of each path."""
        before = self.status
        self.status = fold(before, event)
        self._listener(event, _judgements(before, self.status, event), self.status)


def _judgements(before: Status, after: Status, event: Event) -> tuple[Judgement, ...]:
    match event:
        case FilesJudged(outcomes):
            return tuple([_judgement(before, after, outcome.path, outcome) for outcome in outcomes])
        case FilesRemoved(paths):
            return tuple([_judgement(before, after, path, None) for path in paths if path in before.files])
        case _:
            return ()


def _judgement(before: Status, after: Status, path: bytes, outcome: Outcome | None) -> Judgement:
    return Judgement(path, outcome, compare(_told(before, path), _told(after, path)))


def _told(status: Status, path: bytes) -> list[Finding]:
    file = status.files.get(path)
    return [] if file is None else [finding for findings in file.told.values() for finding in findings]
