"""Why watching ends, and the signals that end it."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from enum import StrEnum

import anyio


class Ended(StrEnum):
    """Why watching ended."""

    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    ORPHANED = "orphaned"
    SETTINGS = "settings"
    STATE_LOST = "state lost"


ANEW = {
    Ended.SETTINGS: "the settings changed",
    Ended.STATE_LOST: "the state folder was removed",
}
"""The ends after which watching begins anew, in words."""


class Ending:
    """What this process was told by signals. Once told, it stays told."""

    def __init__(self, signals: AsyncIterator[signal.Signals]) -> None:
        self._signals = signals
        self._told: Ended | None = None

    async def wait(self) -> Ended:
        """Return once the process is to end. One task at a time may wait."""
        if self._told is None:
            number = await anext(self._signals)
            self._told = Ended.INTERRUPTED if number is signal.SIGINT else Ended.TERMINATED
        return self._told


@contextmanager
def heed_signals() -> Iterator[Ending]:
    """Take SIGINT and SIGTERM for the length of the block: a second one, while all is put away, does no harm."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        yield Ending(signals)
