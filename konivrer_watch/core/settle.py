"""Debounce: a path is ready once its last write is quiet for long enough, or once the cap has passed.

Time is in seconds of a monotonic clock. The age of the last write comes from ``stat``, so that a source
which is slow to tell of a change does not add its own delay to the quiet time.
"""

import msgspec

from konivrer_watch.core.model import Trigger

_ORDER = {trigger: place for place, trigger in enumerate(Trigger)}
# A change whose age is below this many seconds is one that the source just told of; an older one was found by looking.
_SOON = 1.0


class _Unsettled(msgspec.Struct, frozen=True):
    noticed: float
    written: float
    trigger: Trigger


class Settled(msgspec.Struct, frozen=True):
    """A path that may be judged now, and when its change was made or, if that is long ago, noticed."""

    path: bytes
    trigger: Trigger
    noticed: float


def more_urgent(first: Trigger, second: Trigger) -> Trigger:
    """Return the trigger that is served first."""
    return min(first, second, key=_ORDER.__getitem__)


class Settle:
    """Holds changed paths until they are quiet for ``quiet`` seconds, at most ``cap`` seconds from the notice."""

    def __init__(self, quiet: float, cap: float) -> None:
        self._quiet = quiet
        self._cap = cap
        self._waiting: dict[bytes, _Unsettled] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, path: bytes, trigger: Trigger, now: float, age: float) -> None:
        """Record that ``path`` differs; its last write was ``age`` seconds ago (less than 0: just now).

        Notes of a path that waits already add up: the first notice, the latest write, the most urgent trigger.
        """
        earlier = self._waiting.get(path)
        age = max(age, 0.0)
        self._waiting[path] = _Unsettled(
            noticed=earlier.noticed if earlier else now - age if age < _SOON else now,
            written=max(now - age, earlier.written if earlier else float("-inf")),
            trigger=more_urgent(earlier.trigger, trigger) if earlier else trigger,
        )

    def drop(self, path: bytes) -> None:
        """Forget a path that is gone."""
        self._waiting.pop(path, None)

    def _ready_at(self, entry: _Unsettled) -> float:
        return min(entry.written + self._quiet, entry.noticed + self._cap)

    def next_ready(self) -> float | None:
        """Return the time at which the first path will be ready; ``None`` with nothing waiting."""
        return min(map(self._ready_at, self._waiting.values()), default=None)

    def take(self, now: float) -> list[Settled]:
        """Remove and return what is ready, in the order in which it was noticed."""
        ready = [
            Settled(path, entry.trigger, entry.noticed)
            for path, entry in self._waiting.items()
            if self._ready_at(entry) <= now
        ]
        for settled in ready:
            del self._waiting[settled.path]
        return ready
