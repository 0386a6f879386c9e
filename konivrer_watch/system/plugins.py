"""Which installed distributions offer entry points of certain groups, without importing anything of them."""

import os
import sys
from collections.abc import Iterator

_INFORMATION = (".dist-info", ".egg-info")


def entry_points(needle: bytes) -> list[tuple[str, bytes]]:
    """Return name with version, and entry points, of each distribution whose entry points hold ``needle``; sorted.

    They are read where installers put them (packaging.python.org, "Recording installed projects"). The standard
    library's ``importlib.metadata`` says the same; importing it takes 13 ms, a twentieth of a warm check.
    """
    found = {
        (os.path.basename(folder), content)
        for folder in _information_folders()
        if needle in (content := _read(os.path.join(folder, "entry_points.txt")))
    }
    return sorted(found)


def _information_folders() -> Iterator[str]:
    for path in sys.path:
        try:
            with os.scandir(path or os.curdir) as entries:
                yield from [entry.path for entry in entries if entry.name.endswith(_INFORMATION)]
        except OSError:
            # A path that is not there, or a zip file, holds no such folder.
            continue


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
