"""What both ends of the control socket agree on: requests, replies, frames, limits, addresses.

A frame is a 4-byte big-endian length and that many bytes of msgpack. A connection carries one
request and one reply. Imports no event loop, because the command line pays for every import.
"""

import contextlib
import math
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

LENGTH = struct.Struct(">I")
LARGEST_REQUEST = 64 * 1024
LARGEST_REPLY = 64 * 1024 * 1024

LONGEST_WAIT = 86_400.0
"""Seconds; the most that a request may ask the service to wait."""

LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes of a socket's path that ``bind`` takes (``sun_path`` without its NUL)."""


class Status(msgspec.Struct, frozen=True, tag="status", forbid_unknown_fields=True):
    """The service's status; ``findings`` adds the findings themselves.

    ``sync`` waits, at most ``timeout`` seconds, until everything written before the request is in it.
    """

    sync: bool = False
    findings: bool = False
    timeout: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_WAIT)] = 60.0

    def __post_init__(self) -> None:
        if math.isnan(self.timeout):
            raise ValueError("timeout is not a number")


class Stop(msgspec.Struct, frozen=True, tag="stop", forbid_unknown_fields=True):
    """End the service."""


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Only answer."""


class Heal(msgspec.Struct, frozen=True, tag="heal", forbid_unknown_fields=True):
    """Heal now, or take what comes of the heal that is under way; answered when that has ended."""


Request = Status | Stop | Ping | Heal


def waits(request: Request) -> bool:
    """Whether the answer takes its time, to come about or to be read."""
    return isinstance(request, Heal) or (isinstance(request, Status) and (request.sync or request.findings))


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """What the service says to a request."""

    body: bytes


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """Why the service did not take a request."""

    message: str


_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Answer | Refusal] = msgspec.msgpack.Decoder(Answer | Refusal)
_encoder = msgspec.msgpack.Encoder()


class FrameError(Exception):
    """Bytes that are no frame of this protocol; the message says why."""


def frame(message: Request | Answer | Refusal) -> bytes:
    """``message`` as one frame. Raises :class:`FrameError` where it is larger than its kind may be."""
    payload = _encoder.encode(message)
    largest = LARGEST_REPLY if isinstance(message, Answer | Refusal) else LARGEST_REQUEST
    return LENGTH.pack(checked_length(len(payload), largest)) + payload


def checked_length(length: int, largest: int) -> int:
    """``length`` if a frame may have it, else :class:`FrameError`: nothing is read or kept for it."""
    if not 0 < length <= largest:
        raise FrameError(f"a frame of {length} bytes; from 1 to {largest} are allowed")
    return length


def read_request(payload: bytes) -> Request:
    """The request in a frame's payload. Raises :class:`FrameError`."""
    try:
        return _requests.decode(payload)
    except msgspec.MsgspecError as error:
        raise FrameError(f"not a request this version knows: {error}") from error


def read_reply(payload: bytes) -> Answer | Refusal:
    """The reply in a frame's payload. Raises :class:`FrameError`."""
    try:
        return _replies.decode(payload)
    except msgspec.MsgspecError as error:
        raise FrameError(f"not a reply this version knows: {error}") from error


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address that ``bind`` and ``connect`` take for ``path``, however long its directory is.

    On Linux a long one goes through ``/proc/self/fd``, valid while the context lasts. Raises
    OSError where the directory cannot be opened, or the path is too long for the platform.
    """
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield str(path)
        return
    if sys.platform != "linux":
        raise OSError(
            f"{path}: longer than {LONGEST_PATH} bytes; set KONIVRER_WATCH_STATE_DIR to a shorter one"
        )
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end of a unix connection; ``None`` where the platform does not say.

    Linux: ``SO_PEERCRED`` (unix(7)); macOS: ``LOCAL_PEERCRED``, whose ``xucred`` begins with a
    version and the uid (``sys/ucred.h``).
    """
    if sys.platform == "linux":
        ucred = struct.Struct("3i")
        _, uid, _ = ucred.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size))
        return int(uid)
    else:
        option = getattr(socket, "LOCAL_PEERCRED", None)
        if option is None:
            return None
        _, uid = struct.unpack_from("2I", connection.getsockopt(0, option, 76))
        return int(uid)
