"""Whether the source tells of what happens: what sweeps found is held against what was hinted.

Pure; time is in seconds of a monotonic clock. Wrong alarms would cost the user's trust, and the source's rebuilding, so
that only what nothing explains is called missed: no hint named the path, a folder above it, an ignore file beside or
above it, or everything, since the sweep before began, or within ``GRACE`` seconds after.
"""

import math
from collections.abc import Collection, Iterable, Iterator

from konivrer_watch.core.model import Signature

GRACE = 5.0
"""Seconds that an event may come late."""

LINGER = 10.0
"""Seconds that a hint explains later finds: what is put into a new folder is not announced before it is watched."""

DISTRUST = 3600.0
"""A source that misses something twice within so many seconds is not relied upon for as long."""

DECIDES_FOR_OTHERS = frozenset({b".gitignore", b"pyvenv.cfg"})
"""Names of files with which what counts beside and below them changes."""

# More hinted paths than these between two sweeps are as good as everything.
_LIMIT = 10_000
# Who looks so many seconds after the appointment was stopped or starved, and the source with it.
_LATE = 2.0


class Hearing:
    """Remembers what was hinted, as long as it may explain something, and what has yet to be announced."""

    def __init__(self) -> None:
        # Until when each hint explains: finds of sweeps of which the one before began no later.
        self._hinted: dict[bytes, float] = {}
        self._everything = -math.inf
        self._pending: dict[bytes, float] = {}
        self._last_miss = -math.inf
        self._distrusted_until = -math.inf

    def heard(self, paths: Collection[bytes] | None, now: float) -> None:
        """Take note of hints: paths, or ``None`` for everything."""
        if paths is None:
            self._hint_everything(now)
            return
        folders = [path.rpartition(b"/")[0] for path in paths if _name(path) in DECIDES_FOR_OTHERS]
        hinted = {*paths, *folders}
        self._hinted |= dict.fromkeys(hinted, now + LINGER)
        if self._pending:
            announced = [path for path in self._pending if any(each in hinted for each in _upwards(path))]
            for path in announced:
                del self._pending[path]
        if len(self._hinted) > _LIMIT:
            self._hint_everything(now + LINGER)

    def swept(self, changed: Iterable[bytes], begun: float, now: float) -> int:
        """Take note of the paths that a sweep, which began at ``begun``, found changed; return how many wait.

        Those wait for an event that comes late; the caller leaves out what none has to announce.
        """
        if self._everything == -math.inf:
            for path in changed:
                if not any(each in self._hinted for each in _upwards(path)):
                    self._pending.setdefault(path, now + GRACE)
        self._hinted = {path: until for path, until in self._hinted.items() if until >= begun}
        if self._everything < begun:
            self._everything = -math.inf
        return len(self._pending)

    def excuse(self) -> None:
        """Forget what waits: the source was not there to announce it."""
        self._pending.clear()

    @property
    def next_due(self) -> float:
        """When ``missed`` may have something to return; infinity where nothing waits."""
        return min(self._pending.values(), default=math.inf)

    def missed(self, now: float) -> tuple[bytes, ...]:
        """Remove and return the paths whose time is up, sorted."""
        due = [path for path, until in self._pending.items() if until <= now]
        if due and now > self.next_due + _LATE:
            self._pending |= dict.fromkeys(due, now + GRACE)
            return ()
        for path in due:
            del self._pending[path]
        return tuple(sorted(due))

    def distrust(self, now: float) -> None:
        """Take note that something was missed."""
        if now - self._last_miss < DISTRUST:
            self._distrusted_until = now + DISTRUST
        self._last_miss = now

    def is_trusted(self, now: float) -> bool:
        """Whether the source may be relied upon."""
        return now >= self._distrusted_until

    def _hint_everything(self, until: float) -> None:
        self._everything = max(self._everything, until)
        self._hinted.clear()
        self._pending.clear()


def must_be_announced(before: Signature | None, after: Signature | None) -> bool:
    """Whether an event on a path goes with a change of its signature.

    None does where only the time of the last status change differs, which is how a hard link made or removed elsewhere
    looks from here, or only the inode's number, which FAT and some of FUSE forget and make up again.
    """
    if before is None or after is None:
        return before is not after
    return _told(before) != _told(after)


def _told(signature: Signature) -> tuple[int, int, int]:
    return signature.size, signature.mtime_ns, signature.mode


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _upwards(path: bytes) -> Iterator[bytes]:
    """A path and every folder above it, the root (empty) last."""
    yield path
    while path:
        path = path.rpartition(b"/")[0]
        yield path
