"""The service's end of the control socket. It is the only listener, and only for its own user.

Bounds: a request has 64 KiB and a deadline to arrive, a reply 64 MiB and a deadline to be taken,
32 connections are served at once and the rest wait in the kernel's backlog. A client that goes
away takes its request with it. Whatever a client sends harms nobody but itself.
"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import msgspec
from anyio.abc import TaskStatus

from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.system.control_wire import (
    LARGEST_REQUEST,
    LENGTH,
    Answer,
    FrameError,
    Ping,
    Refusal,
    Request,
    Status,
    Stop,
    checked_length,
    frame,
    peer_uid,
    read_request,
    socket_address,
)
from konivrer_watch.system.files import make_private

__all__ = ["ControlUnavailable", "Deadlines", "Ping", "Request", "Status", "Stop", "serve"]

MOST_CONNECTIONS = 32
BACKLOG = 128

PROBE_TIMEOUT = 1.0
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
EXHAUSTED_PAUSE = 0.1

Handle = Callable[[Request], Awaitable[bytes]]


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds for a whole request to arrive, and for a whole reply to be taken."""

    request: float = 5.0
    reply: float = 30.0


DEADLINES = Deadlines()


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

    async def converse(connection: socket.socket) -> None:
        try:
            await _converse(connection, handle, deadlines)
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


async def _converse(connection: socket.socket, handle: Handle, deadlines: Deadlines) -> None:
    with contextlib.closing(connection):
        try:
            _refuse_strangers(connection)
            with anyio.fail_after(deadlines.request):
                request = await _next_request(connection)
        except FrameError as error:
            await _send(connection, Refusal(str(error)), deadlines.reply)
        except TimeoutError:
            late = Refusal(f"no whole request came within {deadlines.request:g} s")
            await _send(connection, late, deadlines.reply)
        except (ConnectionError, EOFError):
            return
        else:
            await _answer(connection, handle, request, deadlines.reply)


def _refuse_strangers(connection: socket.socket) -> None:
    """Raise FrameError for a peer that is neither our user nor root, who may do everything anyway."""
    uid = peer_uid(connection)
    if uid not in (None, os.geteuid(), 0):
        raise FrameError(f"this service is user {os.geteuid()}'s, not user {uid}'s")


async def _next_request(connection: socket.socket) -> Request:
    (length,) = LENGTH.unpack(await _receive(connection, LENGTH.size))
    return read_request(await _receive(connection, checked_length(length, LARGEST_REQUEST)))


async def _receive(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        await anyio.wait_readable(connection)
        try:
            part = connection.recv(size - len(received))
        except BlockingIOError:
            continue
        if not part:
            raise EOFError
        received += part
    return bytes(received)


async def _answer(connection: socket.socket, handle: Handle, request: Request, deadline: float) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, connection, tasks.cancel_scope)
        body = await handle(request)
        # No checkpoint between the handler and the first bytes: the answer to "stop" still gets out.
        await _send(connection, Answer(body), deadline)
        tasks.cancel_scope.cancel()


async def _cancel_when_gone(connection: socket.socket, scope: anyio.CancelScope) -> None:
    """End the request when its client hangs up, or says more than the one request it may."""
    await anyio.wait_readable(connection)
    scope.cancel()


async def _send(connection: socket.socket, reply: Answer | Refusal, deadline: float) -> None:
    """Send ``reply``; a client that does not take it within ``deadline`` seconds goes without."""
    try:
        unsent = memoryview(frame(reply))
    except FrameError as error:
        unsent = memoryview(frame(Refusal(f"the answer is too large: {error}")))
    with anyio.move_on_after(deadline), contextlib.suppress(ConnectionError):
        while unsent:
            try:
                unsent = unsent[connection.send(unsent) :]
            except BlockingIOError:
                await anyio.wait_writable(connection)
