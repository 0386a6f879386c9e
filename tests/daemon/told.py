"""A supervisor that writes down what it is told, and is gone when a test says so."""

import anyio

from konivrer_watch.system.notify import Notifier


class Told(Notifier):
    """What was told, and when."""

    def __init__(self, interval: float | None = 60.0) -> None:
        super().__init__(None, interval, lifeline=False)
        self.lines: list[tuple[float, str]] = []
        self.gone = anyio.Event()

    async def wait_orphaned(self) -> None:
        await self.gone.wait()

    def _send(self, *lines: str) -> None:
        self.lines += [(anyio.current_time(), line) for line in lines]

    @property
    def words(self) -> list[str]:
        """What was told, without the times."""
        return [line for _, line in self.lines]
