"""What is said on one connection of the control socket: one request, one answer, or a refusal that says why.

Bounds: a request has 64 KiB and a deadline to arrive, a reply 64 MiB and a deadline to be taken. Of those that have not
said yet what they want the longest silent gives way to the next, those that want to wait are refused beyond a number,
and answers beyond another are made one after the other: so a plain question is answered, whatever others do. A client
that goes away takes its request with it. Whatever a client sends harms nobody but itself.
"""

import contextlib
import os
import socket
from collections.abc import Awaitable, Callable

import anyio
import msgspec

from konivrer_watch.system.control_wire import (
    LARGEST_REQUEST,
    LENGTH,
    Answer,
    FrameError,
    Refusal,
    Request,
    Status,
    checked_length,
    frame,
    peer_uid,
    read_request,
    waits,
)

MOST_SILENT = 48
MOST_WAITING = 48
MOST_ANSWERS = 32
"""Together no more than the connections that are open at once."""

MOST_LARGE = 4
"""Replies with all findings that are in memory at once: each may have megabytes, and a reader that dawdles."""

Handle = Callable[[Request], Awaitable[bytes]]


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds for a whole request to arrive, and for a whole reply to be taken."""

    request: float = 5.0
    reply: float = 30.0


DEADLINES = Deadlines()


class Exchanges:
    """The exchanges with all clients. What ``handle`` raises is a fault of ours, and raised on."""

    def __init__(self, handle: Handle, deadlines: Deadlines) -> None:
        self._handle = handle
        self._deadlines = deadlines
        self._silent: dict[anyio.CancelScope, None] = {}
        self._waiting = 0
        self._answers = anyio.Semaphore(MOST_ANSWERS)
        self._large = anyio.Semaphore(MOST_LARGE)

    async def converse(self, connection: socket.socket) -> None:
        """Serve one client, and close the connection."""
        with contextlib.closing(connection):
            try:
                _refuse_strangers(connection)
                request = await self._hear(connection)
            except FrameError as error:
                await _send(connection, Refusal(str(error)), self._deadlines.reply)
            except TimeoutError:
                late = Refusal(f"no whole request came within {self._deadlines.request:g} s")
                await _send(connection, late, self._deadlines.reply)
            except (ConnectionError, EOFError):
                return
            else:
                await self._reply(connection, request)

    async def _hear(self, connection: socket.socket) -> Request:
        with anyio.CancelScope() as scope:
            if len(self._silent) >= MOST_SILENT:
                oldest = next(iter(self._silent))
                del self._silent[oldest]
                oldest.cancel()
            self._silent[scope] = None
            try:
                with anyio.fail_after(self._deadlines.request):
                    return await _next_request(connection)
            finally:
                self._silent.pop(scope, None)
        raise FrameError(f"{MOST_SILENT} others came before you said what you want")

    async def _reply(self, connection: socket.socket, request: Request) -> None:
        if not waits(request):
            await self._answer(connection, request, handling=self._answers)
            return
        if self._waiting >= MOST_WAITING:
            full = Refusal(
                f"{self._waiting} requests wait already; ask without --sync and --findings, or later"
            )
            await _send(connection, full, self._deadlines.reply)
            return
        self._waiting += 1
        try:
            is_large = isinstance(request, Status) and request.findings
            await self._answer(connection, request, whole=self._large if is_large else None)
        finally:
            self._waiting -= 1

    async def _answer(
        self,
        connection: socket.socket,
        request: Request,
        *,
        handling: anyio.Semaphore | None = None,
        whole: anyio.Semaphore | None = None,
    ) -> None:
        """Answer, ``handling`` it in turn with others, or also until the reply is taken as a ``whole``."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, connection, tasks.cancel_scope)
            async with whole or contextlib.nullcontext():
                async with handling or contextlib.nullcontext():
                    body = await self._handle(request)
                # No checkpoint between the handler and the first bytes: the answer to "stop" still gets out.
                await _send(connection, Answer(body), self._deadlines.reply)
            tasks.cancel_scope.cancel()


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
