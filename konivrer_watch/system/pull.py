"""Pulls the latest commits by a child process, which is gone with all that it started when the answer is here."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import Process

from konivrer_watch.core.pull import (
    SAFE_PROTOCOLS,
    PullOutcome,
    PullRequest,
    PullResult,
    PullStep,
    complaint,
)
from konivrer_watch.system.files import make_private
from konivrer_watch.system.record import now_text

DEADLINE_S = 60.0
"""For everything before the fast-forward; beyond it nothing has changed."""

GRACE_S = 60.0
"""For the fast-forward itself: stopped in the middle it would leave files of two commits."""

_MODULE = "konivrer_watch.system.pull_child"
_TERM_S = 2.0
_LONGEST_LINE = 1 << 16
_ERROR_LIMIT = 8192
_decode = msgspec.json.Decoder(PullStep | PullResult).decode


async def pull(
    root: bytes,
    folder: Path,
    environment: Mapping[str, str],
    *,
    protocols: tuple[str, ...] = SAFE_PROTOCOLS,
    deadline: float = DEADLINE_S,
    grace: float = GRACE_S,
) -> PullResult:
    """Fast-forward the branch that is checked out in ``root`` to its upstream, where nothing is in the way.

    ``folder`` is for the pull alone, and must lie outside the root: it is emptied before and removed after. No two
    pulls may use it at once. What goes wrong is in the result; nothing is raised but cancellation, which a
    fast-forward that has begun delays.
    """
    request = PullRequest(root, os.fsencode(folder), protocols)
    try:
        await anyio.to_thread.run_sync(_make_empty, folder)
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                (sys.executable, "-I", "-m", _MODULE),
                stdin=subprocess.PIPE,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        return _failed(f"the pull cannot be started: {error}")
    child = _Child(process, deadline, grace)
    try:
        return await child.ask(request)
    finally:
        with anyio.CancelScope(shield=True):
            await child.end()
            await anyio.to_thread.run_sync(_remove, folder)


async def remove_leftovers(folder: Path) -> None:
    """Remove the folder of a pull that was killed; where its fast-forward is still being finished, it stays."""
    await anyio.to_thread.run_sync(_remove, folder)


class _Child:
    def __init__(self, process: Process, deadline: float, grace: float) -> None:
        self._process = process
        self._deadline = deadline
        self._grace = grace
        self._step = PullStep("the pull's process gave no answer")
        self._result: PullResult | None = None
        self._errors = bytearray()
        self._given_up = False

    async def ask(self, request: PullRequest) -> PullResult:
        """Return its answer, or what kept it from one."""
        with anyio.move_on_after(self._deadline) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._collect)
                await self._send(request)
                await self._hear(scope)
                if self._result is not None:
                    group.cancel_scope.cancel()
        if self._result is not None:
            return self._result
        if scope.cancelled_caught:
            self._given_up = True
            if self._step.applying:
                return _failed(
                    f"{self._step.late} within {self._grace:g} s; 'git status' shows how far it came"
                )
            return _failed(f"{self._step.late} within {self._deadline:g} s")
        return _failed(
            f"the pull's process ended without an answer: {complaint(bytes(self._errors)) or 'it was killed'}"
        )

    async def _send(self, request: PullRequest) -> None:
        # Where it ended already, its end is what is heard.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            if self._process.stdin is not None:
                await self._process.stdin.send(msgspec.json.encode(request) + b"\n")

    async def _hear(self, scope: anyio.CancelScope) -> None:
        """Take lines until the result, or the end of them."""
        if self._process.stdout is None:
            return
        buffer = b""
        async for chunk in self._process.stdout:
            buffer += chunk
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                with suppress(msgspec.MsgspecError):
                    self._take(_decode(line), scope)
            if self._result is not None or len(buffer) > _LONGEST_LINE:
                return

    def _take(self, line: PullStep | PullResult, scope: anyio.CancelScope) -> None:
        if isinstance(line, PullResult):
            self._result = line
            return
        if line.applying and not self._step.applying:
            scope.deadline = anyio.current_time() + self._grace
        self._step = line

    async def _collect(self) -> None:
        if self._process.stderr is None:
            return
        async for chunk in self._process.stderr:
            self._errors += chunk
            del self._errors[:-_ERROR_LIMIT]

    async def end(self) -> None:
        """End the whole group. A fast-forward under way is waited for, then asked to stop, which frees git's locks."""
        if self._step.applying and self._result is None and self._process.returncode is None:
            if not self._given_up:
                with anyio.move_on_after(self._grace) as scope:
                    await self._hear(scope)
            self._signal(signal.SIGTERM)
            with anyio.move_on_after(_TERM_S):
                await self._process.wait()
        self._signal(signal.SIGKILL)
        await self._process.aclose()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _failed(reason: str) -> PullResult:
    return PullResult(PullOutcome.FAILED, reason, now_text())


def _make_empty(folder: Path) -> None:
    _remove(folder)
    make_private(folder)


def _remove(folder: Path) -> None:
    """Remove a folder and all in it, unless a pull's process has it; links are removed, never followed.

    What cannot be removed stays.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
