"""How much of what the system hands out is left: room on a disk, memory of a process, inotify watches."""

import os
import resource
import sys
from pathlib import Path

import msgspec

from konivrer_watch.system.files import read_optional

_INOTIFY_LIMITS = (b"/proc/sys/fs/inotify/max_user_watches", b"/proc/sys/user/max_inotify_watches")


class Room(msgspec.Struct, frozen=True):
    """A file system: bytes and files that are free for us, and all of them; no files where it does not count them."""

    free: int
    total: int
    free_files: int
    total_files: int


def room_at(folder: Path) -> Room:
    """Return the room on the file system of a folder. Raises ``OSError``."""
    found = os.statvfs(folder)
    size = found.f_frsize
    return Room(found.f_bavail * size, found.f_blocks * size, found.f_favail, found.f_files)


def resident_bytes(pid: int) -> int | None:
    """Return the memory that a process holds; ``None`` where the system does not tell (proc(5), ``statm``)."""
    data = read_optional(b"/proc/%d/statm" % pid, 200)
    return None if not data else int(data.split()[1]) * resource.getpagesize()


def watch_limit() -> int | None:
    """Return how many inotify watches this user may have; ``None`` where there is no such limit (inotify(7))."""
    if sys.platform != "linux":
        return None
    limits = [read_optional(path, 40) for path in _INOTIFY_LIMITS]
    return min([int(limit) for limit in limits if limit], default=None)


def watches_in_use() -> int:
    """Return how many inotify watches the processes have that we may look into: our user's, for the limit is theirs.

    Blocking: some 10 µs for each open file of theirs (proc(5), ``fdinfo``).
    """
    return sum(map(_watches_of, _numbers()))


def _watches_of(pid: bytes) -> int:
    folder = b"/proc/%s/" % pid
    watches = 0
    try:
        if os.stat(folder).st_uid != os.geteuid():
            return 0
        for name in os.listdir(folder + b"fd"):
            if os.readlink(folder + b"fd/" + name) == b"anon_inode:inotify":
                watches += (read_optional(folder + b"fdinfo/" + name, 1 << 26) or b"").count(b"inotify wd:")
    except OSError:
        # It ended meanwhile, or is none of ours.
        return watches
    return watches


def _numbers() -> list[bytes]:
    try:
        return [name for name in os.listdir(b"/proc") if name.isdigit()]
    except OSError:
        return []
