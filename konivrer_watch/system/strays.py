"""Processes that outlive whoever started them: made ours, and ended. Elsewhere than on Linux we see none."""

import ctypes
import os
import signal
import sys
from contextlib import suppress

import anyio

_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.01
_LONGEST_SECONDS = 5.0


def adopt_strays() -> None:
    """Become the parent of every process below us that loses its own (PR_SET_CHILD_SUBREAPER, prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


async def end_strays() -> list[int]:
    """Kill and reap every child of this process, and what they leave to it in turn; return those that would not end.

    A process that waits for a disk that does not answer cannot be killed: it is left after some seconds.
    """
    with anyio.move_on_after(_LONGEST_SECONDS):
        while left := children():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                _reap(pid)
            await anyio.sleep(_POLL_SECONDS)
        return []
    return children()


def reap_strays(sparing: int | None) -> None:
    """Reap what came to us and has ended, but for the child ``sparing``, whose end is for others to see."""
    for pid in children():
        if pid != sparing:
            _reap(pid)


def children() -> list[int]:
    """Return this process's children, those that have ended and were not reaped included (proc(5), ``stat``)."""
    return [pid for pid in _numbers() if _parent(pid) == os.getpid()]


def descendants(pid: int) -> list[int]:
    """Return every process below another, the nearest first."""
    parents = {each: _parent(each) for each in _numbers()}
    found: list[int] = []
    level = {pid}
    while level := {each for each, parent in parents.items() if parent in level}:
        found += sorted(level)
    return found


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, in parentheses, may hold anything.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
