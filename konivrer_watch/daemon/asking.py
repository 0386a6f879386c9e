"""Has the engines judge files, and tells a file that is at fault from an engine that was hindered.

An engine that ends by its own doing over a file, twice, is that file's fault: it is set aside. One that something else
ended, or that had no time or memory, says nothing of the file.
"""

import time
from collections.abc import Mapping, Sequence

import anyio
import anyio.to_thread

from konivrer_watch.core.errors import EngineDiedError, EngineSilentError, JobError
from konivrer_watch.core.model import Pass, Problem, ProblemKind, Verdict
from konivrer_watch.daemon.context import Context
from konivrer_watch.daemon.frames import WorkerJob, decode_answer, encode
from konivrer_watch.daemon.sight import Reader, Sight
from konivrer_watch.system.programs import AGAIN
from konivrer_watch.system.ruff import LintJob
from konivrer_watch.system.workers import EngineHinderedError, Workers

Answers = dict[bytes, dict[Pass, Verdict]]


class Asker:
    """Asks ruff and the engine workers. ``spent`` adds up seconds of work by pass."""

    def __init__(self, reader: Reader, workers: Workers) -> None:
        self._reader = reader
        self._workers = workers
        # A file's bytes are fetched when a worker is about to be free, not when its batch begins.
        self._in_hand = anyio.Semaphore(workers.size + 1)
        self.spent: dict[Pass, float] = dict.fromkeys(Pass, 0.0)

    async def ask(
        self, sights: Sequence[Sight], unknown: Mapping[bytes, tuple[Pass, ...]], context: Context
    ) -> Answers:
        """Return what the engines say. A pass without an answer there is one whose file changed meanwhile."""
        fresh: Answers = {sight.path: {} for sight in sights}

        async def lint() -> None:
            of_lint = [sight for sight in sights if Pass.LINT in unknown[sight.path]]
            for path, verdict in (await self._lint(of_lint, context)).items():
                fresh[path][Pass.LINT] = verdict

        async def rest(sight: Sight) -> None:
            passes = tuple([pass_ for pass_ in unknown[sight.path] if pass_ is not Pass.LINT])
            if not passes:
                return
            async with self._in_hand:
                data = sight.data
                if data is None:
                    data = await anyio.to_thread.run_sync(self._reader.bytes_of, sight)
                if data is not None:
                    fresh[sight.path] |= await self._question(WorkerJob(sight.path, data, passes), context)

        async with anyio.create_task_group() as group:
            group.start_soon(lint)
            for sight in sights:
                group.start_soon(rest, sight)
        return fresh

    async def _lint(self, sights: Sequence[Sight], context: Context) -> dict[bytes, Verdict]:
        linter = context.linter
        if not sights:
            return {}
        if linter.ruff is None:
            return {sight.path: Verdict(problem=linter.problem) for sight in sights}
        jobs = [LintJob(sight.path, context.lint_profile(sight.path), sight.silences) for sight in sights]
        started = time.perf_counter()
        try:
            verdicts = await linter.ruff.check(context.root, jobs)
            if any(_is_quarantined(verdict) for verdict in verdicts.values()):
                # A file is to blame only if ruff is well without it.
                await linter.ruff.version()
        except JobError as error:
            problem = Problem(ProblemKind.ENGINE, str(error), "install ruff again and save the file")
            return {sight.path: Verdict(problem=problem) for sight in sights}
        self.spent[Pass.LINT] += time.perf_counter() - started
        return verdicts

    async def _question(self, job: WorkerJob, context: Context) -> dict[Pass, Verdict]:
        try:
            return await self._answers(job, context)
        except EngineSilentError as error:
            return dict.fromkeys(job.passes, Verdict(problem=_hindered(error)))
        except EngineDiedError as error:
            return {pass_: await self._question_again(job, pass_, error, context) for pass_ in job.passes}

    async def _question_again(
        self, job: WorkerJob, pass_: Pass, first: JobError, context: Context
    ) -> Verdict:
        """Ask once more after a worker's end, for one pass alone: the pass that ends a second one is to blame."""
        try:
            return (await self._answers(WorkerJob(job.path, job.data, (pass_,)), context))[pass_]
        except (EngineDiedError, EngineSilentError) as error:
            for each in (error, first):
                if isinstance(each, EngineHinderedError | EngineSilentError):
                    return Verdict(problem=_hindered(each))
            return Verdict(problem=await self._blame(error, job, context))

    async def _answers(self, job: WorkerJob, context: Context) -> dict[Pass, Verdict]:
        answered = decode_answer(await self._workers.ask(encode(job), context.setup))
        for pass_, seconds in answered.seconds.items():
            self.spent[pass_] += seconds
        return answered.verdicts

    async def _blame(self, error: JobError, job: WorkerJob, context: Context) -> Problem:
        """Return the problem of a file without an answer: the file's own if a worker survives an empty one."""
        try:
            await self._workers.ask(encode(WorkerJob(job.path, b"", job.passes)), context.setup)
        except (EngineDiedError, EngineSilentError) as alone:
            hint = "install konivrer-watch again if that lasts, and save the file"
            return Problem(ProblemKind.ENGINE, f"the engine worker {alone}, whatever it is given", hint)
        hint = "the file is set aside until it changes"
        return Problem(ProblemKind.QUARANTINED, f"the engine worker {error}", hint)


def _hindered(error: JobError) -> Problem:
    return Problem(ProblemKind.ENGINE, f"the engine worker {error}", AGAIN)


def _is_quarantined(verdict: Verdict) -> bool:
    return verdict.problem is not None and verdict.problem.kind is ProblemKind.QUARANTINED
