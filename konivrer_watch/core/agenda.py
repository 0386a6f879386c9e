"""The queue of paths to judge. This file owns every transition of a path: absent, waiting, running, and
running with one more run to come.

A path is held once. One that changes while it runs is judged once more afterwards. Saves are served before
what a sweep or the start brought.
"""

from collections.abc import Iterable

from konivrer_watch.core.model import Trigger
from konivrer_watch.core.settle import Settled, more_urgent


class Agenda:
    """Paths waiting to be judged, and those being judged."""

    def __init__(self) -> None:
        self._waiting: dict[Trigger, dict[bytes, Settled]] = {trigger: {} for trigger in Trigger}
        self._running: dict[bytes, Settled | None] = {}

    @property
    def waiting(self) -> int:
        """How many paths wait, those that will run once more included."""
        again = sum(1 for entry in self._running.values() if entry is not None)
        return sum(map(len, self._waiting.values())) + again

    @property
    def running(self) -> int:
        """How many paths are being judged."""
        return len(self._running)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.waiting and not self._running

    @property
    def ready(self) -> bool:
        """Whether there is something to take."""
        return any(self._waiting.values())

    def add(self, entry: Settled) -> None:
        """Queue a path; the more urgent trigger and the earlier notice win over what is queued for it already."""
        if entry.path in self._running:
            queued = self._running[entry.path]
            self._running[entry.path] = _more_urgent(queued, entry)
            return
        for held in self._waiting.values():
            queued = held.pop(entry.path, None)
            if queued is not None:
                entry = _more_urgent(queued, entry)
                break
        self._waiting[entry.trigger][entry.path] = entry

    def take(self, limit: int) -> list[Settled]:
        """Move up to ``limit`` paths, the most urgent first, from waiting to running and return them.

        Paths of different urgency are not mixed, so that a save never waits for a bulk it shares a batch with.
        """
        for held in self._waiting.values():
            if held:
                taken = [held[path] for path in list(held)[:limit]]
                for entry in taken:
                    del held[entry.path]
                    self._running[entry.path] = None
                return taken
        return []

    def done(self, paths: Iterable[bytes]) -> None:
        """End the run of these paths; one that changed meanwhile waits again."""
        for path in paths:
            again = self._running.pop(path)
            if again is not None:
                self._waiting[again.trigger][path] = again

    def drop(self, path: bytes) -> None:
        """Forget a path that is gone; one that is running is not run once more."""
        if path in self._running:
            self._running[path] = None
        for held in self._waiting.values():
            held.pop(path, None)


def _more_urgent(first: Settled | None, second: Settled) -> Settled:
    if first is None:
        return second
    trigger = more_urgent(first.trigger, second.trigger)
    return Settled(first.path, trigger, min(first.noticed, second.noticed))
