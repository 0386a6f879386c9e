"""What a supervisor acts on: the lives of its daemon, and whatever else is outside of it."""

from collections.abc import Sequence
from typing import Protocol

from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.system.logs import Severity


class Child(Protocol):
    """A life of the daemon; see ``system/process``."""

    @property
    def pid(self) -> int:
        """The process's number."""

    async def hear(self) -> bytes:
        """Return what it says next; nothing once it says no more."""

    async def collect(self) -> None:
        """Keep its last words."""

    async def wait(self) -> int:
        """Return its exit code, negative for a signal."""

    def kill_nowait(self) -> None:
        """End it by force."""

    async def end(self, grace: float) -> Sequence[int]:
        """End it, and what it leaves; return what would not end."""

    def last_words(self) -> str:
        """Return the end of what it wrote on standard error."""

    def close(self) -> None:
        """Give back what is open."""


class Surroundings(Protocol):
    """What a supervisor acts on: processes, the record on disk, its lock, the log, and the wall clock.

    ``before`` is what there is to tell of the supervisor before this one, ``anew`` the command that restarts us.
    """

    boot: str
    pid: int
    before: str | None
    anew: str

    async def interval(self) -> float:
        """Return ``check_interval`` in seconds, as it is set now; as it was where that cannot be read."""

    def spawn(self, interval: float) -> Child:
        """Start a life of the daemon. Raises ``OSError``."""

    def record(self, record: ServiceRecord) -> None:
        """Put the record on disk, where that is possible."""

    def reap(self, child: int | None) -> None:
        """Reap strays, all but ``child``."""

    def is_ours(self) -> bool:
        """Return whether the lock is still the one we took."""

    def say(self, severity: Severity, text: str) -> None:
        """Write to the service log."""

    def now(self) -> str:
        """Return the present instant."""
