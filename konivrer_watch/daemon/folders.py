"""Where state lives. It imports no part of the watcher: the short commands pay for each import."""

from pathlib import Path

import msgspec


class StateFolders(msgspec.Struct, frozen=True):
    """Where state lives: what all roots share, and what is this root's own."""

    shared: Path
    own: Path
