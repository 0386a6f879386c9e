"""A directory to scan, and short ways to fill and to scan it."""

import os
from pathlib import Path

from konivrer_watch.system.git import find_git
from konivrer_watch.system.scan import ScanScope, Snapshot, dispose, scan


def fill(root: Path, **files: str) -> None:
    """Write files; ``__`` in a name stands for a slash and ``_py`` at its end for ``.py``."""
    for key, content in files.items():
        path = root / (key.replace("__", "/").removesuffix("_py") + ".py" * key.endswith("_py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def scope_of(
    root: Path, *exclude: str, wide: bool = False, never: frozenset[bytes] = frozenset()
) -> ScanScope:
    """Return the scope of a root, with the git it lies in."""
    return ScanScope(os.fsencode(root), find_git(os.fsencode(root)), exclude=exclude, wide=wide, never=never)


def look(root: Path, *exclude: str, wide: bool = False) -> Snapshot:
    """Scan a whole root."""
    return scan(scope_of(root, *exclude, wide=wide))


def reason(root: Path, path: bytes) -> str | None:
    """Say why a path does not count."""
    return dispose(scope_of(root), path).reason
