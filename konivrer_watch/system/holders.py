"""Who holds a lock, by the kernel's word alone: where its file has no text, cannot be read, or was removed.

Linux tells of every open file its path, with `` (deleted)`` behind it once that is gone, and the locks that are held
through it (proc(5), ``/proc/PID/fd`` and ``/proc/PID/fdinfo``). Elsewhere nobody is found.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import msgspec

from konivrer_watch.system.lease import Held, read_held

_DELETED = b" (deleted)"


class Holder(msgspec.Struct, frozen=True):
    """A process that holds a lock, what the lock's file says of it, and whether that is no longer where it was."""

    pid: int
    held: Held
    is_removed: bool


def find_holder(path: Path) -> Holder | None:
    """Return the process that holds the lock at ``path``, or held it when it was removed; ``None`` where none is seen.

    Other users' processes and our own are not looked into. Of several the one that holds what is there now comes first.
    """
    wanted = os.fsencode(path)
    removed: Holder | None = None
    for pid, link in _open_files():
        try:
            target = os.readlink(link)
            if target not in (wanted, wanted + _DELETED) or not _locks(pid, link):
                continue
            holder = Holder(pid, _read(link), target != wanted)
        except OSError:
            continue
        if target == wanted:
            return holder
        removed = removed or holder
    return removed


def find_process(command: Sequence[str | Path], variable: str) -> int | None:
    """Return a process that runs ``command`` and was given ``variable`` (``NAME=value``); ``None`` where none is seen.

    The program itself may be another one: the same from another place.
    """
    wanted, given = [os.fsencode(word) for word in command[1:]], os.fsencode(variable)
    for pid in _pids():
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:-1] != wanted:
                continue
            if given in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                return pid
    return None


def launcher_word(pid: int) -> str | None:
    """Return who keeps a watcher alive, as its command line says; ``None`` where it does not, or cannot be seen."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        return next((word for option, word in pairwise(words) if option == "--launcher"), None)
    return None


def is_suspended(pid: int) -> bool:
    """Whether a process is stopped, as SIGSTOP does (proc(5), ``/proc/PID/stat``)."""
    with suppress(OSError):
        # The name, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"T"
    return False


def _open_files() -> Iterator[tuple[int, bytes]]:
    """Every open file of every process that we may look into, as its link in ``/proc``."""
    for pid in _pids():
        with suppress(OSError):
            yield from ((pid, b"/proc/%d/fd/%b" % (pid, name)) for name in os.listdir(b"/proc/%d/fd" % pid))


def _pids() -> set[int]:
    """All processes but this one."""
    with suppress(OSError):
        return {int(name) for name in os.listdir("/proc") if name.isdecimal()} - {os.getpid()}
    return set()


def _locks(pid: int, link: bytes) -> bool:
    """Whether the process itself took a lock for itself alone; who looks at one shares it, and a child inherits it."""
    with open(link.replace(b"/fd/", b"/fdinfo/", 1), "rb") as file:
        locks = [line.split() for line in file if line.startswith(b"lock:")]
    return any(b"FLOCK" in words and b"WRITE" in words and b"%d" % pid in words for words in locks)


def _read(link: bytes) -> Held:
    descriptor = os.open(link, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return read_held(descriptor)
    finally:
        os.close(descriptor)
