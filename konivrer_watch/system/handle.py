"""A process that need not be our child: held so that it is never mistaken for a later one, and what it belongs to."""

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

_POLL_SECONDS = 0.02


class Handle:
    """A process, by its pidfd (pidfd_open(2), Linux 5.3); where there are none, its number has to do.

    Raises ``ProcessLookupError`` where there is no such process, ``OSError`` where no handle can be had.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = _open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where the process has ended. Raises ``PermissionError``."""
        with suppress(ProcessLookupError):
            if sys.platform == "linux" and self.descriptor is not None:
                signal.pidfd_send_signal(self.descriptor, number)
            else:
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end; one that is stopped is continued, for it would not hear of it. Raises ``PermissionError``."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)

    def wait(self, seconds: float) -> bool:
        """Block until the process has ended, for so long at most; return whether it has."""
        if self.descriptor is not None:
            poll = select.poll()
            poll.register(self.descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while _lives(self.pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def close(self) -> None:
        """Give the handle back."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def has_open(pid: int, path: Path) -> bool | None:
    """Return whether a process has a file open; ``None`` where the system does not say."""
    try:
        wanted = path.stat()
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None
    return any(_is_same(f"/proc/{pid}/fd/{name}", wanted) for name in names)


def unit_of(pid: int) -> tuple[str, bool] | None:
    """Return the systemd service that a process belongs to, and whether the user's own systemd runs it.

    ``None`` where it belongs to none, or the system does not say (cgroups(7), ``/proc/PID/cgroup``).
    """
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        for part in reversed(line.split("/")):
            if part.endswith(".service") and not part.startswith("user@"):
                return part, "/user@" in line
    return None


def _is_same(name: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(name), wanted)
    except OSError:
        return False


def _open(pid: int) -> int | None:
    if sys.platform == "linux":
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError:
            # An old kernel, or a sandbox that forbids the call.
            return None
    else:
        os.kill(pid, 0)
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
