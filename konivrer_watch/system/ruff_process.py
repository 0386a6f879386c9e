"""One run of ruff: bounded in time and output, and gone with everything it started when the caller is."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, Process

from konivrer_watch.core.errors import EngineMissingError
from konivrer_watch.system.programs import was_ended

_ERROR_LIMIT = 1 << 20
# What Rust says before it gives up for want of something that there may be more of later.
_WANT = re.compile(
    rb"memory allocation of \d+ bytes failed|Cannot allocate memory|Resource temporarily unavailable"
    rb"|Too many open files|No space left on device"
)


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: its exit code (negative: the signal), what it wrote, and why we ended it if we did.

    ``late`` is whether that was for want of an answer.
    """

    code: int
    out: bytes
    err: bytes
    cut: str | None = None
    late: bool = False

    @property
    def hindered(self) -> bool:
        """Whether something else than the files it was given may be why there is no answer."""
        if self.cut is not None:
            return self.late
        return was_ended(self.code) or _WANT.search(self.err) is not None


async def run(
    command: Sequence[str | bytes],
    cwd: bytes,
    environment: Mapping[str, str],
    deadline: float,
    limit: int,
) -> Ended:
    """Run a command without input for at most ``deadline`` seconds and ``limit`` bytes of output.

    :raises EngineMissingError: it cannot be started.
    """
    try:
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineMissingError(f"ruff cannot be started: {error}") from error
    out, err = bytearray(), bytearray()
    cut: str | None = None
    late = False
    try:
        with anyio.move_on_after(deadline) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(_collect, process.stdout, out, limit, group.cancel_scope)
                group.start_soon(_collect, process.stderr, err, _ERROR_LIMIT, None)
            if len(out) <= limit:
                await process.wait()
        if len(out) > limit:
            cut = f"wrote more than {limit >> 20} MB"
        elif scope.cancelled_caught:
            cut, late = f"gave no answer within {deadline:g} s", True
    finally:
        await _end(process)
    code = process.returncode
    return Ended(-signal.SIGKILL if code is None else code, bytes(out), bytes(err), cut, late)


async def _collect(
    stream: ByteReceiveStream | None, into: bytearray, limit: int, overflow: anyio.CancelScope | None
) -> None:
    if stream is None:
        return
    async for chunk in stream:
        if len(into) <= limit:
            into += chunk
        elif overflow is not None:
            overflow.cancel()


async def _end(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()


def complaint(ended: Ended) -> str:
    """Return what ruff says on standard error, without the excerpt and the warnings, as one line."""
    lines = [line.strip().removeprefix("Cause: ") for line in ended.err.decode(errors="replace").splitlines()]
    told = [line for line in lines if line and not re.match(r"\d*\s*\||ruff failed|warning:|\^", line)]
    return ": ".join(told)[:1000] or "ruff refuses its configuration"


def ending(ended: Ended) -> str:
    """Return how a run ended, as the rest of a sentence."""
    if ended.cut is not None:
        return ended.cut
    return f"died of signal {-ended.code}" if ended.code < 0 else f"ended with exit code {ended.code}"


def printed(path: bytes) -> bytes:
    """Return a path as ruff prints it."""
    return path.decode(errors="replace").encode()
