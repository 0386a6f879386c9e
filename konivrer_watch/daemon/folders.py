"""Where state lives. It imports no part of the watcher: the short commands pay for each import."""

from pathlib import Path

import msgspec


class StateFolders(msgspec.Struct, frozen=True):
    """Where state lives: what all roots share, and what is this root's own."""

    shared: Path
    own: Path

    @property
    def lock(self) -> Path:
        """The lock that whoever watches the root holds."""
        return self.own / "lock"

    @property
    def supervisor_lock(self) -> Path:
        """The lock that our own supervisor holds for as long as it lives."""
        return self.own / "supervisor.lock"
