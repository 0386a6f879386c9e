"""The command line's end of the control socket: one blocking question, one answer."""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from konivrer_watch.core.errors import StopError
from konivrer_watch.system.control_wire import (
    LARGEST_REPLY,
    LENGTH,
    FrameError,
    Heal,
    Ping,
    Refusal,
    Request,
    Status,
    Stop,
    checked_length,
    frame,
    peer_uid,
    read_reply,
    socket_address,
)

__all__ = [
    "ControlAbsent",
    "ControlFault",
    "ControlForeign",
    "ControlRefused",
    "ControlSilent",
    "Heal",
    "Ping",
    "Request",
    "Status",
    "Stop",
    "ask",
    "request",
]

CONNECT_RETRY = 0.01
"""Seconds between attempts while the service's backlog is full."""

CHUNK = 256 * 1024


class ControlFault(StopError):
    """The service gave no answer."""


class ControlAbsent(ControlFault):
    """Nobody listens: the service is not running."""


class ControlSilent(ControlFault):
    """Someone listens, but no whole answer came in time."""


class ControlRefused(ControlFault):
    """The service answered that it will not, or we may not ask it."""


class ControlForeign(ControlRefused):
    """What answers speaks another language: it is another version of the service, or another program."""


def request(path: bytes | Path, request: Request, timeout: float) -> bytes:
    """The service's answer to ``request``, through the socket at ``path``.

    ``timeout`` bounds the whole exchange, in seconds. Raises :class:`ControlAbsent`,
    :class:`ControlSilent` or :class:`ControlRefused`.
    """
    place = Path(os.fsdecode(path))
    deadline = time.monotonic() + timeout
    try:
        with _connected(place, deadline) as connection:
            _refuse_strangers(connection, place)
            connection.settimeout(_left(deadline))
            # A service that refuses us at once may have closed already; its words are still there to read.
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(frame(request))
            (length,) = LENGTH.unpack(_receive(connection, LENGTH.size, deadline))
            reply = read_reply(_receive(connection, checked_length(length, LARGEST_REPLY), deadline))
    except TimeoutError as error:
        raise ControlSilent(f"the service at {place} did not answer within {timeout:g} s") from error
    except (ConnectionError, EOFError) as error:
        raise ControlSilent(f"the service at {place} ended the connection without an answer") from error
    except FrameError as error:
        raise ControlForeign(f"what answers at {place} is another version or program: {error}") from error
    if isinstance(reply, Refusal):
        raise ControlRefused(f"the service at {place} refused: {reply.message}")
    return reply.body


def ask(places: Iterable[Path], request_: Request, timeout: float) -> bytes:
    """The answer of the first service that listens at one of ``places``; ``timeout`` bounds all of them together.

    A place where nobody listens, or that we may not enter, is passed over. Raises as :func:`request` does:
    :class:`ControlAbsent` where nobody listens at any, :class:`ControlRefused` where one is not for us.
    """
    deadline = time.monotonic() + timeout
    absent: list[str] = []
    refused: ControlRefused | None = None
    for place in places:
        try:
            return request(place, request_, max(deadline - time.monotonic(), 0.0))
        except ControlAbsent as error:
            absent.append(str(error))
        except ControlRefused as error:
            refused = refused or error
    raise refused or ControlAbsent("; ".join(absent))


def _refuse_strangers(connection: socket.socket, place: Path) -> None:
    """Raise :class:`ControlRefused` where another user than ourselves answers; root may ask anyone's service."""
    uid = peer_uid(connection)
    if uid not in (None, os.geteuid(), 0) and os.geteuid() != 0:
        raise ControlRefused(f"what answers at {place} is user {uid}'s, and not yours")


def _connected(place: Path, deadline: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_address(place) as address:
            _connect(connection, address, deadline)
    except TimeoutError:
        connection.close()
        raise
    except OSError as error:
        connection.close()
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ControlRefused(f"{place} belongs to another user: {error}") from error
        raise ControlAbsent(f"no service listens at {place}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(connection: socket.socket, address: str, deadline: float) -> None:
    while True:
        connection.settimeout(_left(deadline))
        try:
            connection.connect(address)
        except BlockingIOError:
            # unix(7): a full backlog answers a connect that may not block with EAGAIN at once.
            time.sleep(min(CONNECT_RETRY, _left(deadline)))
        else:
            return


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    received = bytearray()
    while len(received) < size:
        connection.settimeout(_left(deadline))
        part = connection.recv(min(CHUNK, size - len(received)))
        if not part:
            raise EOFError
        received += part
    return bytes(received)


def _left(deadline: float) -> float:
    """Seconds left; TimeoutError when none is. Never 0, which would mean "do not block"."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
