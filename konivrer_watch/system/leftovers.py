"""Files of ours that nobody uses any more: found by name and age, and removed."""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from konivrer_watch.core.heal import OLD, Leftover, leftover
from konivrer_watch.system.control_wire import socket_address

_CONNECT_SECONDS = 1.0


class Place(msgspec.Struct, frozen=True):
    """A folder, and what of ours may be left over in it."""

    folder: Path
    kinds: frozenset[Leftover]


class Removed(msgspec.Struct, frozen=True):
    """A leftover that was removed, or why it could not be."""

    path: Path
    kind: Leftover
    fault: str | None = None


def remove_leftovers(places: Sequence[Place], beat: float) -> Iterator[Removed]:
    """Remove what is left over in the places, not below them. ``beat`` is the probe's interval in seconds."""
    for place in places:
        for path, kind in _find(place, beat):
            try:
                if kind is Leftover.SOCKET:
                    gone = _remove_socket(path)
                else:
                    path.unlink()
                    gone = True
            except FileNotFoundError:
                gone = False
            except OSError as error:
                yield Removed(path, kind, error.strerror or str(error))
                continue
            if gone:
                yield Removed(path, kind)


def old_entries(folder: Path) -> list[str]:
    """Return the names in a folder of what has not changed for an hour; none where there is no such folder."""
    return [name for name, status in _entries(folder) if time.time() - status.st_mtime > OLD]


def _find(place: Place, beat: float) -> Iterator[tuple[Path, Leftover]]:
    now = time.time()
    for name, status in _entries(place.folder):
        kind = leftover(os.fsencode(name), now - status.st_mtime, beat)
        if kind not in place.kinds or status.st_uid != os.geteuid():
            continue
        is_socket = stat.S_ISSOCK(status.st_mode)
        # A link, a folder or a file with a second name is somebody else's doing.
        if is_socket if kind is Leftover.SOCKET else stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            yield place.folder / name, kind


def _entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            # A link may lead anywhere.
            return []
        with os.scandir(folder) as entries:
            return [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []


def _remove_socket(path: Path) -> bool:
    """Remove a socket at which nobody listens; return whether it was one.

    The folder is locked meanwhile, as whoever makes a socket in it does.
    """
    held = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_served(path):
            return False
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller, socket_address(path) as address:
        caller.settimeout(_CONNECT_SECONDS)
        try:
            caller.connect(address)
        except OSError as error:
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
    return True
