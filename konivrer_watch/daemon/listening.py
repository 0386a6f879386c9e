"""Keeps the control socket where clients look for it.

logind removes a user's runtime folder at logout while the service goes on; whoever cleans temporary files may do the
same. The socket is then made anew, where it belongs by then.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from konivrer_watch.core.errors import StopError
from konivrer_watch.system.control import Request, serve

_LOOK_SECONDS = 10.0


async def keep_listening(
    place: Callable[[], Path],
    answer: Callable[[Request], Awaitable[bytes]],
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests at the socket that ``place`` names, until cancelled.

    Raises ``StopError`` where it cannot be made at first; later that is tried again.
    """
    begun = False
    while True:
        try:
            async with anyio.create_task_group() as group:
                socket = place()
                await group.start(_serve, socket, answer)
                if not begun:
                    begun = True
                    task_status.started()
                await _wait_gone(socket)
                group.cancel_scope.cancel()
        except* StopError:
            if not begun:
                raise
            await anyio.sleep(_LOOK_SECONDS)


async def _serve(
    socket: Path, answer: Callable[[Request], Awaitable[bytes]], task_status: TaskStatus[None]
) -> None:
    await serve(socket, answer, task_status=task_status)


async def _wait_gone(socket: Path) -> None:
    while await anyio.to_thread.run_sync(os.path.lexists, socket):
        await anyio.sleep(_LOOK_SECONDS)
