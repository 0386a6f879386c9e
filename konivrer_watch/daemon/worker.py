"""The engine worker: a child process that judges one file at a time, and ends when its standard input does.

It is started as ``python -I -m konivrer_watch.daemon.worker`` in ``/``: nothing a repository holds is importable.

What runs out of memory is one pass on one file, and becomes a problem of that file; what kills the process, as a
job that takes too long does, is for the parent to see.
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

from konivrer_watch.core.model import Pass, Problem, ProblemKind, Verdict
from konivrer_watch.daemon.frames import WorkerAnswer, WorkerJob, WorkerSetup, decode_request, encode_answer
from konivrer_watch.daemon.line import Line
from konivrer_watch.passes.optimize.engine import OptimizeEngine
from konivrer_watch.passes.security.driver import SecurityEngine

_PR_SET_PDEATHSIG = 1
# Collecting after this many new objects keeps one large file's tree, not several, in memory.
_GARBAGE = 100_000
# Not the file's fault alone, for it depends on the settings: asked again each time, which costs a failed parse.
_TOO_MUCH = Verdict(
    problem=Problem(
        ProblemKind.ENGINE,
        "needs more memory than an engine worker may use, or nests deeper than Python parses",
        "raise memory_max, split the file, or exclude it",
    )
)
_NOT_SET_UP = Verdict(
    problem=Problem(
        ProblemKind.ENGINE, "no engine is configured for this pass", "correct the configuration of that pass"
    )
)


class _Engines:
    """The engines under one configuration."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._optimize = OptimizeEngine(setup.rules, setup.optimize)
        self._security = SecurityEngine(setup.security) if setup.security is not None else None
        self._cpu_seconds = setup.cpu_seconds

    def judge(self, job: WorkerJob) -> bytes:
        """Return the encoded answer; end the process where that takes too much of the processor."""
        signal.setitimer(signal.ITIMER_PROF, self._cpu_seconds)
        answer = encode_answer(self._answer(job))
        signal.setitimer(signal.ITIMER_PROF, 0)
        return answer

    def _answer(self, job: WorkerJob) -> WorkerAnswer:
        """Run the passes asked for on the same bytes and, where they parse, the same tree."""
        try:
            tree = _parse(job.data)
        except MemoryError:
            return WorkerAnswer(dict.fromkeys(job.passes, _TOO_MUCH), {})
        verdicts: dict[Pass, Verdict] = {}
        seconds: dict[Pass, float] = {}
        for pass_ in job.passes:
            started = time.perf_counter()
            try:
                verdicts[pass_] = self._judge(pass_, job, tree)
            except MemoryError:
                verdicts[pass_] = _TOO_MUCH
            seconds[pass_] = time.perf_counter() - started
        return WorkerAnswer(verdicts, seconds)

    def _judge(self, pass_: Pass, job: WorkerJob, tree: ast.Module | None) -> Verdict:
        if pass_ is Pass.OPTIMIZE:
            return self._optimize.judge(job.data, tree)
        if pass_ is Pass.SECURITY and self._security is not None:
            return self._security.judge(job.path, job.data, tree)
        return _NOT_SET_UP


def _parse(data: bytes) -> ast.Module | None:
    """Parse once for all passes; each says for itself why a file does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, LookupError):
        return None


def _mapped() -> int | None:
    """Return how many bytes of address space are mapped; ``None`` where the system does not tell (macOS)."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return None


def _limit_memory(limit: int) -> None:
    """Cap the address space at ``limit`` bytes, or at what whoever started us allows."""
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY:
        limit = min(limit, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (limit, allowed))


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent, even in the middle of a job.

    Linux means the thread that started us, which on asyncio is the event loop's.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(0)


def main() -> None:
    """Answer frames until standard input ends."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whoever started us may have it ignored, which programs inherit.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    line = Line()
    engines: _Engines | None = None
    # Measured once: a limit counted from what earlier jobs left mapped would grow with each setup.
    baseline = _mapped()
    gc.disable()
    gc.freeze()
    while (body := line.receive()) is not None:
        request = decode_request(body)
        if isinstance(request, WorkerSetup):
            engines = _Engines(request)
            if baseline is not None:
                _limit_memory(baseline + request.memory_bytes)
            continue
        if engines is None:
            break
        answer = engines.judge(request)
        del request, body
        if gc.get_count()[0] > _GARBAGE:
            gc.collect()
        line.send(answer)


if __name__ == "__main__":
    main()
