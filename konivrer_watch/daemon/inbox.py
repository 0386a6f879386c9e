"""Hints on their way in: coalesced, bounded, and never waiting for their reader."""

from collections.abc import Iterable

import anyio

from konivrer_watch.core.model import Hint

_LIMIT = 10_000


class Inbox:
    """Paths that may have changed, each once. Beyond a limit they collapse into "everything"."""

    def __init__(self) -> None:
        self._paths: set[bytes] = set()
        self._everything = False
        self._arrived = anyio.Event()

    def put_nowait(self, hints: Iterable[Hint]) -> None:
        """Add hints."""
        for hint in hints:
            if hint.path is None:
                self._everything = True
            else:
                self._paths.add(hint.path)
        if len(self._paths) > _LIMIT:
            self._everything = True
        if self._everything:
            self._paths.clear()
        if self._everything or self._paths:
            self._arrived.set()

    def wake_nowait(self) -> None:
        """Let the reader look at its own appointments again."""
        self._arrived.set()

    async def wait(self) -> None:
        """Return once there is a hint, or a reason to look at the clock."""
        await self._arrived.wait()

    def take(self) -> frozenset[bytes] | None:
        """Remove and return what came: paths, or ``None`` for everything."""
        self._arrived = anyio.Event()
        paths, everything = frozenset(self._paths), self._everything
        self._paths.clear()
        self._everything = False
        return None if everything else paths
