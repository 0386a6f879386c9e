"""A served control socket, and ways to speak to it, polite and raw."""

import functools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from konivrer_watch.system import control_client, control_wire
from konivrer_watch.system.control import Request, serve
from konivrer_watch.system.control_exchange import DEADLINES, Deadlines

QUICK = Deadlines(request=0.2, reply=0.2)
Handle = Callable[[Request], Awaitable[bytes]]


async def echo(request: Request) -> bytes:
    return repr(request).encode()


@asynccontextmanager
async def serving(path: Path, handle: Handle = echo, deadlines: Deadlines = DEADLINES) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(functools.partial(serve, path, handle, deadlines=deadlines))
        yield
        tasks.cancel_scope.cancel()


async def ask(path: Path, request: Request, timeout: float = 10.0) -> bytes:
    return await anyio.to_thread.run_sync(control_client.request, path, request, timeout)


def talk(path: Path, *parts: bytes, hang_up: bool = False) -> bytes:
    """Send raw bytes and read until the service closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5.0)
        connection.connect(str(path))
        for part in parts:
            connection.sendall(part)
        if hang_up:
            return b""
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received


def crowd(path: Path, beginnings: Sequence[bytes]) -> list[socket.socket]:
    """Connect one client for each beginning, let it say that, and leave them all open."""
    clients: list[socket.socket] = []
    for beginning in beginnings:
        client = socket.socket(socket.AF_UNIX)
        # Blocking: with a deadline, a full backlog would be an error at once (unix(7)).
        client.connect(str(path))
        client.settimeout(5.0)
        client.sendall(beginning)
        clients.append(client)
    return clients


def refusal(reply: bytes) -> str:
    (length,) = struct.unpack(">I", reply[:4])
    assert len(reply) == 4 + length
    found = control_wire.read_reply(reply[4:])
    assert isinstance(found, control_wire.Refusal)
    return found.message
