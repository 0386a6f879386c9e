"""One sweep: the tree as it is, what folder the root is, and when the next sweep is due."""

import os
import time
from collections.abc import Callable

import msgspec

from konivrer_watch.core.events import RootChanged
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.system.scan import ScanScope, Snapshot, scan

# The sweeps beside the events may cost this share of a core.
_SHARE = 0.001
_LEAST_SECONDS = 10.0
DEGRADED_SECONDS = 2.0
_ALONE_SHARE = 0.05
# A huge tree on a slow file system is looked at nevertheless: its sweeps are the sign of life of whoever polls it.
_ALONE_MOST_SECONDS = 30.0

RootId = tuple[int, int]
"""A folder's device and inode."""


class Swept(msgspec.Struct, frozen=True):
    """What a sweep saw, and the CPU seconds it took."""

    snapshot: Snapshot
    root: RootId
    cost: float


def sweep(scope: ScanScope) -> Swept:
    """Scan the tree. Blocking; raises ``OSError`` where there is no root to look at."""
    started = time.thread_time()
    status = os.stat(scope.root)
    snapshot = scan(scope)
    return Swept(snapshot, (status.st_dev, status.st_ino), time.thread_time() - started)


def pause_after(cost: float, *, alone: bool) -> float:
    """Return the seconds until the next sweep, after one that took ``cost`` CPU seconds.

    ``alone`` is whether nothing but sweeps tells of changes.
    """
    if alone:
        return min(max(DEGRADED_SECONDS, cost / _ALONE_SHARE), _ALONE_MOST_SECONDS)
    return max(_LEAST_SECONDS, cost / _SHARE)


class RootWatch:
    """Notices that the root went, came back, or was replaced: the source still watches the folder that was there."""

    def __init__(self, recorder: Recorder, rebuild_source: Callable[[], None]) -> None:
        self._recorder = recorder
        self._rebuild_source = rebuild_source
        self._known: RootId | None = None

    def lost(self, error: OSError) -> None:
        """Say, once, that there is no root to look at."""
        if self._recorder.status.root_fault is None:
            self._recorder.record(RootChanged(f"the folder cannot be read: {error.strerror or error}"))

    def found(self, root: RootId) -> None:
        """Take note of the root that is there."""
        was_lost = self._recorder.status.root_fault is not None
        if was_lost:
            self._recorder.record(RootChanged(None))
        if was_lost or self._known not in {None, root}:
            self._rebuild_source()
        self._known = root
