"""Holds what sweeps find against what the source announced, and says what came without a word."""

import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import anyio
import anyio.to_thread

from konivrer_watch.core.events import EventsMissed
from konivrer_watch.core.hearing import Hearing, must_be_announced
from konivrer_watch.core.model import Change, Signature, Skip
from konivrer_watch.core.tree import is_within
from konivrer_watch.daemon.probe import Source
from konivrer_watch.daemon.recorder import Recorder


class Audit:
    """``doubt`` is called where something was missed."""

    def __init__(self, root: bytes, source: Source, recorder: Recorder, doubt: Callable[[], None]) -> None:
        self._root = root
        self._source = source
        self._recorder = recorder
        self._doubt = doubt
        self._hearing = Hearing()

    @property
    def next_due(self) -> float:
        """When to ``settle`` next, in the event loop's time."""
        return self._hearing.next_due

    @property
    def alone(self) -> bool:
        """Whether sweeps have to find what changes: nothing announces it, or not reliably."""
        trusted = self._source.announces and self._hearing.is_trusted(anyio.current_time())
        return not trusted or self._recorder.status.degraded is not None

    def heard(self, hints: Collection[bytes] | None) -> None:
        """Take note of hints: paths, or ``None`` for everything."""
        self._hearing.heard(hints, anyio.current_time())

    def swept(
        self,
        known: Mapping[bytes, Signature],
        changes: Sequence[Change],
        skipped: Iterable[Skip],
        begun: float,
    ) -> int:
        """Take note of what a sweep found different from ``known``; return how much has yet to be announced.

        ``skipped`` are the places that this sweep or the one before could not look at.
        """
        blind = [skip.path for skip in skipped if not skip.complete]
        suspects = [
            change.path
            for change in changes
            if must_be_announced(known.get(change.path), change.signature)
            and not any(is_within(change.path, place) for place in blind)
        ]
        if not self._source.standing:
            self._hearing.excuse()
            suspects = []
        return self._hearing.swept(suspects, begun, anyio.current_time())

    async def settle(self) -> None:
        """Record what was not announced in time."""
        if not self._source.standing:
            self._hearing.excuse()
        due = self._hearing.missed(anyio.current_time())
        missed = await anyio.to_thread.run_sync(self._blamed, due) if due else ()
        if missed:
            self._hearing.distrust(anyio.current_time())
            self._recorder.record(EventsMissed(len(missed), missed[0]))
            self._doubt()

    def _blamed(self, paths: Sequence[bytes]) -> Sequence[bytes]:
        """Leave out files with several names, which change by another without an event on this one."""
        return [path for path in paths if not _has_other_names(os.path.join(self._root, path))]


def _has_other_names(full: bytes) -> bool:
    try:
        status = os.lstat(full)
    except OSError:
        return False
    return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1
