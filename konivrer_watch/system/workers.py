"""A pool of child processes that answer framed requests, one at a time each.

The pool knows nothing of what is asked. A child that dies or goes silent costs the request it held, never
the others; it is replaced at the next request.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from konivrer_watch.core.errors import EngineDiedError, EngineSilentError
from konivrer_watch.system.programs import was_ended

_ANSWER_LIMIT = 64 << 20


class EngineHinderedError(EngineDiedError):
    """Something else than its work ended an engine, or kept it from starting: it says nothing of what was asked."""


class _Worker:
    def __init__(self, process: Process, setup: bytes) -> None:
        if process.stdin is None or process.stdout is None:
            raise EngineDiedError("has no pipes")
        self.process = process
        self.setup = setup
        self._requests = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)

    async def tell(self, frame: bytes) -> None:
        await self._requests.send(len(frame).to_bytes(4, "big") + frame)

    async def hear(self) -> bytes:
        length = int.from_bytes(await self._answers.receive_exactly(4), "big")
        if length > _ANSWER_LIMIT:
            raise EngineDiedError(f"announced an answer of {length} bytes")
        return await self._answers.receive_exactly(length)


class Workers:
    """At most ``size`` children of ``command``. ``deadline`` is in seconds for each request."""

    def __init__(self, command: Sequence[str], size: int, deadline: float) -> None:
        self._command = command
        self._deadline = deadline
        self._slots = anyio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self.size = size

    async def ask(self, frame: bytes, setup: bytes) -> bytes:
        """Return a child's answer to ``frame``. A child that was not told ``setup`` last is told it first.

        Raises ``EngineDiedError`` where the child ended first, ``EngineHinderedError`` where something else ended it,
        ``EngineSilentError`` past the deadline. Their words follow on "the engine worker".
        """
        async with self._slots:
            worker = await self._borrow()
            try:
                with anyio.fail_after(self._deadline):
                    if worker.setup != setup:
                        await worker.tell(setup)
                        worker.setup = setup
                    await worker.tell(frame)
                    answer = await worker.hear()
            except TimeoutError:
                await self._end(worker)
                raise EngineSilentError(f"gave no answer within {self._deadline:g} s") from None
            except (
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
                anyio.EndOfStream,
                anyio.IncompleteRead,
            ):
                code = await self._end(worker)
                kind = EngineHinderedError if was_ended(code) else EngineDiedError
                raise kind(f"ended with {_ending(code)} before it answered") from None
            except BaseException:
                # Cancelled in the middle: the answer that is still to come belongs to nobody.
                await self._end(worker)
                raise
            self._idle.append(worker)
            return answer

    async def examine(
        self, frame: bytes, is_swollen: Callable[[int], bool], patience: float
    ) -> tuple[str, ...]:
        """Ask each child that has nothing to do for a sign of life, and end those that give none or have swollen.

        ``frame`` is a question without work, ``is_swollen`` judges a process by its number, ``patience`` is in
        seconds for each. Return what was wrong with those that were ended; the next request starts others.
        """
        troubles: list[str] = []
        for worker in list(self._idle):
            async with self._slots:
                if worker not in self._idle:
                    continue
                self._idle.remove(worker)
                trouble = await self._trouble(worker, frame, is_swollen, patience)
                if trouble is None:
                    self._idle.append(worker)
                else:
                    troubles.append(f"engine worker {worker.process.pid} {trouble}")
        return tuple(troubles)

    async def _trouble(
        self, worker: _Worker, frame: bytes, is_swollen: Callable[[int], bool], patience: float
    ) -> str | None:
        """Return why a child had to be ended; it is lent to nobody meanwhile."""
        trouble: str | None = None
        try:
            with anyio.fail_after(patience):
                await worker.tell(frame)
                await worker.hear()
            if is_swollen(worker.process.pid):
                trouble = "holds more memory than it needs"
        except TimeoutError:
            trouble = f"was silent for {patience:g} s"
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
            anyio.IncompleteRead,
        ):
            return f"had ended with {_ending(await self._end(worker))}"
        except BaseException:
            await self._end(worker)
            raise
        if trouble is not None:
            await self._end(worker)
        return trouble

    async def _borrow(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
            await self._end(worker)
        # A start that is cancelled half-way would leave a child that nobody knows.
        with anyio.CancelScope(shield=True):
            try:
                process = await anyio.open_process(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineHinderedError(f"could not be started: {error}") from error
            worker = _Worker(process, b"")
            self._all.add(worker)
        return worker

    async def _end(self, worker: _Worker) -> int | None:
        self._all.discard(worker)
        with anyio.CancelScope(shield=True):
            # Not by the process object: it would reap the child on the way, and hide from the loop how it ended.
            if worker.process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGKILL)
            await worker.process.aclose()
        return worker.process.returncode

    async def aclose(self) -> None:
        """End every child."""
        self._idle.clear()
        for worker in list(self._all):
            await self._end(worker)


@asynccontextmanager
async def open_workers(module: str, size: int, deadline: float) -> AsyncIterator[Workers]:
    """Run a pool of ``python -I -m module`` for the length of the block."""
    workers = Workers((sys.executable, "-I", "-m", module), size, deadline)
    try:
        yield workers
    finally:
        await workers.aclose()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
