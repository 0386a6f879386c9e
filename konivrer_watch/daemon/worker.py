"""The engine worker: a child process that judges one file at a time, and ends when its standard input does.

It is started as ``python -I -m konivrer_watch.daemon.worker`` in ``/``: nothing a repository holds is importable.
"""

import ast
import ctypes
import gc
import os
import resource
import signal
import sys
import time
import warnings
from typing import BinaryIO

from konivrer_watch.core.model import Pass, Problem, ProblemKind, Verdict
from konivrer_watch.daemon.frames import WorkerAnswer, WorkerJob, WorkerSetup, decode_request, encode
from konivrer_watch.passes.optimize.engine import OptimizeEngine
from konivrer_watch.passes.security.driver import SecurityEngine

_PR_SET_PDEATHSIG = 1
# Collecting after this many new objects keeps one large file's tree, not several, in memory.
_GARBAGE = 100_000


class _Engines:
    """The engines under one configuration."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._optimize = OptimizeEngine(setup.rules, setup.optimize)
        self._security = SecurityEngine(setup.security) if setup.security is not None else None

    def judge(self, job: WorkerJob) -> WorkerAnswer:
        """Run the passes asked for on the same bytes and, where they parse, the same tree."""
        tree = _parse(job.data)
        verdicts: dict[Pass, Verdict] = {}
        seconds: dict[Pass, float] = {}
        for pass_ in job.passes:
            started = time.perf_counter()
            if pass_ is Pass.OPTIMIZE:
                verdicts[pass_] = self._optimize.judge(job.data, tree)
            elif pass_ is Pass.SECURITY and self._security is not None:
                verdicts[pass_] = self._security.judge(job.path, job.data, tree)
            seconds[pass_] = time.perf_counter() - started
        return WorkerAnswer(verdicts, seconds)


def _parse(data: bytes) -> ast.Module | None:
    """Parse once for all passes; each says for itself why a file does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError, LookupError):
        return None


def _out_of_memory(job: WorkerJob) -> WorkerAnswer:
    problem = Problem(
        ProblemKind.QUARANTINED,
        "needs more memory than an engine worker may use",
        "split the file, or exclude it",
    )
    return WorkerAnswer({pass_: Verdict(problem=problem) for pass_ in job.passes}, {})


def _limit_memory(extra: int) -> None:
    """Cap the address space at what is mapped now plus ``extra`` bytes, where the system tells what is mapped."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            mapped = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + extra, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        return


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent, even in the middle of a job."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(0)


def _receive(source: BinaryIO) -> bytes | None:
    head = source.read(4)
    if len(head) < 4:
        return None
    length = int.from_bytes(head, "big")
    body = source.read(length)
    return body if len(body) == length else None


def main() -> None:
    """Answer frames until standard input ends."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What an engine prints must not end up between two frames.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    engines: _Engines | None = None
    gc.disable()
    gc.freeze()
    while (body := _receive(source)) is not None:
        request = decode_request(body)
        if isinstance(request, WorkerSetup):
            engines = _Engines(request)
            _limit_memory(request.memory_bytes)
            continue
        if engines is None:
            break
        try:
            answer = encode(engines.judge(request))
        except MemoryError:
            answer = encode(_out_of_memory(request))
        del request, body
        if gc.get_count()[0] > _GARBAGE:
            gc.collect()
        sink.write(len(answer).to_bytes(4, "big") + answer)
        sink.flush()


if __name__ == "__main__":
    main()
