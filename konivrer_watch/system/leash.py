"""How a container ends the watcher in another one: a FIFO whose first byte makes the kernel send SIGKILL.

The watcher's process number means nothing in another PID namespace, and a stopped process runs no handler. So the
watcher itself asks the kernel beforehand: its end of the FIFO signals its process (``F_SETOWN``, ``F_SETSIG`` and
``O_ASYNC``; fcntl(2)). The kernel remembers the process and not its number, so that no other can be hit, and checks the
rights of the one that asked, which is the watcher. Only its own user can write: the FIFO is 0600.
"""

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from konivrer_watch.core.errors import StopError
from konivrer_watch.system.files import make_private

_NAME = "leash"


@contextmanager
def lay_leash(folder: Path) -> Iterator[None]:
    """Let :func:`pull_leash` on the same state folder end this process, for the length of the block. Linux only.

    Raises ``StopError`` where the FIFO cannot be made.
    """
    place = folder / _NAME
    try:
        make_private(folder)
        _make(place)
        # Open both ways: with a writer always there, another's coming and going is no event, only a byte is.
        descriptor = os.open(place, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StopError(f"the leash {place} cannot be made: {error.strerror}") from error
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        yield
    finally:
        os.close(descriptor)


def pull_leash(folder: Path) -> bool:
    """End the process that laid the leash in ``folder``; return whether there was one."""
    descriptor = _grasp(folder)
    if descriptor is None:
        return False
    try:
        os.write(descriptor, b"\0")
    finally:
        os.close(descriptor)
    return True


def is_leashed(folder: Path) -> bool:
    """Whether a process has laid the leash in ``folder``."""
    descriptor = _grasp(folder)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _make(place: Path) -> None:
    try:
        os.mkfifo(place, 0o600)
    except FileExistsError:
        if not stat.S_ISFIFO(place.lstat().st_mode):
            raise


def _grasp(folder: Path) -> int | None:
    """Open the writing end; ``None`` where nobody has the other (fifo(7): ``ENXIO``), or there is none."""
    place = folder / _NAME
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return None
        raise StopError(f"the leash {place} cannot be taken: {error.strerror}") from error
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise StopError(f"{place} is something else than a leash; remove it")
