"""The service's end of the control socket. It is the only listener, and only for its own user.

So many connections are open at once, the rest wait in the kernel's backlog; what is said on each, and its bounds, is
``control_exchange``'s.
"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.system.control_exchange import DEADLINES, Deadlines, Exchanges, Handle
from konivrer_watch.system.control_wire import Heal, Ping, Request, Status, Stop, socket_address
from konivrer_watch.system.files import make_private

__all__ = ["ControlUnavailable", "Deadlines", "Heal", "Ping", "Request", "Status", "Stop", "serve"]

MOST_CONNECTIONS = 128
"""Half of the files that macOS lets a process open by default."""

BACKLOG = 128

PROBE_TIMEOUT = 1.0
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
EXHAUSTED_PAUSE = 0.1


class ControlUnavailable(StopError):
    """The socket cannot be made; the message says where and why."""


async def serve(
    path: bytes | Path,
    handle: Handle,
    *,
    deadlines: Deadlines = DEADLINES,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests at ``path`` with ``handle`` until cancelled; then the socket file is gone.

    The task status is started once clients can connect. What ``handle`` raises ends the service: it
    is a fault of ours. Raises LeaseHeldError where another service answers
    at ``path``, and :class:`ControlUnavailable` where the socket cannot be made.
    """
    slots = anyio.Semaphore(MOST_CONNECTIONS)
    exchanges = Exchanges(handle, deadlines)

    async def converse(connection: socket.socket) -> None:
        try:
            await exchanges.converse(connection)
        finally:
            slots.release()

    with _listening(Path(os.fsdecode(path))) as listener:
        async with anyio.create_task_group() as tasks:
            task_status.started()
            while True:
                await slots.acquire()
                tasks.start_soon(converse, await _accept(listener))


@contextlib.contextmanager
def _listening(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.setblocking(False)
        try:
            _private_directory(place.parent)
            with _only_one(place.parent), socket_address(place) as address:
                _clear_stale(place, address)
                listener.bind(address)
                place.chmod(0o600)
                listener.listen(BACKLOG)
            made = place.lstat()
        except OSError as error:
            raise ControlUnavailable(f"cannot make the control socket {place}: {error}") from error
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                now = place.lstat()
                if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
                    place.unlink()


def _private_directory(directory: Path) -> None:
    """Make ``directory``, or make it ours alone: its mode guards the socket before ``chmod`` does."""
    make_private(directory)
    found = directory.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{directory} belongs to user {found.st_uid}, not to us")
    if stat.S_IMODE(found.st_mode) != 0o700:
        directory.chmod(0o700)


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Keep two starting services from each taking the other's new socket for a stale one."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeldError(f"another service is starting in {directory}") from error
        yield
    finally:
        os.close(held)


def _clear_stale(place: Path, address: str) -> None:
    """Remove a socket that nobody listens at. Anything else at ``place`` is left, and is an error."""
    try:
        if not stat.S_ISSOCK(place.lstat().st_mode):
            raise FileExistsError(f"{place} is something else than a socket; remove it")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            place.unlink(missing_ok=True)
            return
        except BlockingIOError:
            # A full backlog is somebody's.
            pass
    raise LeaseHeldError(f"another service already answers at {place}")


async def _accept(listener: socket.socket) -> socket.socket:
    while True:
        await anyio.wait_readable(listener)
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            continue
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            await anyio.sleep(EXHAUSTED_PAUSE)
        else:
            connection.setblocking(False)
            return connection
