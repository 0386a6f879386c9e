"""The agenda with someone waiting at it."""

from collections.abc import Iterable

import anyio

from konivrer_watch.core.agenda import Agenda
from konivrer_watch.core.settle import Settled


class Queue:
    """Lets lanes wait for work and callers wait for its end."""

    def __init__(self) -> None:
        self._agenda = Agenda()
        self._work = anyio.Event()

    @property
    def waiting(self) -> int:
        """How many paths wait."""
        return self._agenda.waiting

    @property
    def running(self) -> int:
        """How many paths are being judged."""
        return self._agenda.running

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return self._agenda.idle

    def put_nowait(self, entries: Iterable[Settled]) -> None:
        """Queue paths to judge."""
        for entry in entries:
            self._agenda.add(entry)
        self._announce()

    def take_nowait(self, limit: int) -> list[Settled]:
        """Take up to ``limit`` paths of one urgency; empty where another lane was faster."""
        return self._agenda.take(limit)

    def done(self, paths: Iterable[bytes]) -> None:
        """End the run of these paths."""
        self._agenda.done(paths)
        self._announce()

    def drop(self, path: bytes) -> None:
        """Forget a path that is gone."""
        self._agenda.drop(path)

    async def wait_work(self) -> None:
        """Return once a path waits that is not being judged already."""
        while not self._agenda.ready:
            # All who wait do so on one event: a lane must not take another's call away.
            if self._work.is_set():
                self._work = anyio.Event()
            await self._work.wait()

    def _announce(self) -> None:
        if self._agenda.ready:
            self._work.set()
