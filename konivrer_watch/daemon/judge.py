"""From paths to outcomes: bytes read once, verdicts looked up by key, and only what is unknown sent to the engines."""

import time
from collections.abc import Collection, Mapping, Sequence

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.errors import EngineDiedError, EngineSilentError, JobError
from konivrer_watch.core.model import FileRecord, Outcome, Pass, Problem, ProblemKind, Signature, Verdict
from konivrer_watch.core.settle import Settled
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon.context import Context
from konivrer_watch.daemon.contexts import Contexts
from konivrer_watch.daemon.frames import WorkerJob, decode_answer, encode
from konivrer_watch.daemon.hints import with_exclude_line
from konivrer_watch.daemon.sight import Reader, Seen, Sight, Unread
from konivrer_watch.system.ruff import LintJob
from konivrer_watch.system.store import VerdictStore
from konivrer_watch.system.workers import Workers

# Problems that are a function of the bytes alone, so that the store may remember them.
_LASTING = frozenset({ProblemKind.UNPARSABLE, ProblemKind.QUARANTINED})

_Fresh = dict[bytes, dict[Pass, Verdict]]


class Judged(msgspec.Struct, frozen=True):
    """What came of a batch: outcomes, files to be judged once more, and files that are gone.

    ``context_is_old`` is whether some are to be judged again because a configuration or a neighbour changed
    meanwhile: without reading those anew the same would come of it.
    """

    outcomes: tuple[Outcome, ...]
    again: tuple[Settled, ...]
    gone: tuple[bytes, ...]
    context_is_old: bool = False


class Judge:
    """Judges batches of files under the current context. ``spent`` adds up seconds of work by pass."""

    def __init__(
        self, reader: Reader, store: VerdictStore | None, workers: Workers, contexts: Contexts
    ) -> None:
        self._reader = reader
        self._store = store
        self._workers = workers
        self._contexts = contexts
        # A file's bytes are fetched when a worker is about to be free, not when its batch begins.
        self._in_hand = anyio.Semaphore(workers.size + 1)
        self.spent: dict[Pass, float] = dict.fromkeys(Pass, 0.0)

    @property
    def records(self) -> Mapping[bytes, FileRecord]:
        """What is remembered of the files, by path."""
        return self._reader.records

    async def judge(self, entries: Sequence[Settled]) -> Judged:
        """Judge a batch. Files that another program writes meanwhile are returned in ``again``, without a verdict."""
        context = self._contexts.current
        if context is None:
            raise RuntimeError("nothing can be judged before the configurations were read")
        seen, known = await anyio.to_thread.run_sync(self._look, entries, context)
        unknown = {
            sight.path: tuple([pass_ for pass_, key in sight.keys.items() if key not in known])
            for sight in seen.sights
        }
        asked = [sight for sight in seen.sights if unknown[sight.path]]
        fresh = await self._run_engines(asked, unknown, context)
        changed, moved_on = set[bytes](), set[bytes]()
        if asked:
            changed, moved_on = await anyio.to_thread.run_sync(self._keep, asked, fresh, context)
        self._reader.remember([sight for sight in seen.sights if not unknown[sight.path]], ())
        now = anyio.current_time()
        unanswered = {path for path, verdicts in fresh.items() if len(verdicts) < len(unknown[path])}
        undone = changed | moved_on | unanswered
        outcomes = [
            _outcome(sight, known, fresh.get(sight.path, {}), now)
            for sight in seen.sights
            if sight.path not in undone
        ]
        outcomes += [_unread_outcome(each, context, now) for each in seen.unread]
        again = seen.again + [sight.entry for sight in seen.sights if sight.path in undone]
        return Judged(tuple(outcomes), tuple(again), tuple(seen.gone), bool(moved_on))

    def stale(self, files: Mapping[bytes, Signature], known: Mapping[bytes, FileState]) -> list[bytes]:
        """Return the files whose verdicts in ``known`` do not hold under the current context. Blocking."""
        context = self._contexts.current
        if context is None:
            return []
        return [
            path
            for path, signature in files.items()
            if not self._holds(context, path, signature, known.get(path))
        ]

    def _holds(self, context: Context, path: bytes, signature: Signature, known: FileState | None) -> bool:
        passes = context.passes_for(path)
        if known is None or not passes:
            return known is None and not passes
        if not all(_is_lasting(verdict) for verdict in known.verdicts.values()):
            return False
        record = self.records.get(path)
        return (
            record is not None and record.signature == signature and context.keys(path, record) == known.keys
        )

    def forget(self, files: Collection[bytes]) -> None:
        """Drop the records of all other files than these."""
        for path in self._reader.records.keys() - files:
            del self._reader.records[path]

    def _look(self, entries: Sequence[Settled], context: Context) -> tuple[Seen, dict[bytes, Verdict]]:
        seen = self._reader.look(entries, context)
        if self._store is None:
            return seen, {}
        return seen, self._store.get([key for sight in seen.sights for key in sight.keys.values()])

    async def _run_engines(
        self, sights: Sequence[Sight], unknown: Mapping[bytes, tuple[Pass, ...]], context: Context
    ) -> _Fresh:
        """Return what the engines say. A pass without an answer there is one whose file changed meanwhile."""
        fresh: _Fresh = {sight.path: {} for sight in sights}

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
                    fresh[sight.path] |= await self._ask(WorkerJob(sight.path, data, passes), context)

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

    async def _ask(self, job: WorkerJob, context: Context) -> dict[Pass, Verdict]:
        try:
            try:
                answer = await self._workers.ask(encode(job), context.setup)
            except EngineDiedError:
                # Anything may have ended that worker; a file that ends a second one is to blame itself.
                answer = await self._workers.ask(encode(job), context.setup)
        except (EngineDiedError, EngineSilentError) as error:
            problem = await self._blame(error, job, context)
            return {pass_: Verdict(problem=problem) for pass_ in job.passes}
        answered = decode_answer(answer)
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

    def _keep(
        self, sights: Sequence[Sight], fresh: _Fresh, context: Context
    ) -> tuple[set[bytes], set[bytes]]:
        """Store what is certainly true of the bytes that were hashed, and remember files that are as they were.

        Return the files that changed while they were judged, and those around which something did.
        """
        looked = [self._reader.look_again(sight) for sight in sights]
        same = [sight for sight in looked if sight is not None]
        changed = {sight.path for sight in sights} - {sight.path for sight in same}
        linted = [(each.path, each.record) for each in same if Pass.LINT in fresh[each.path]]
        moved_on = context.moved_on(linted)
        self._reader.remember(sights, {sight.path for sight in sights})
        self._reader.remember(same, ())
        lasting = {
            sight.keys[pass_]: verdict
            for sight in sights
            for pass_, verdict in fresh[sight.path].items()
            if _is_lasting(verdict) and (pass_ is not Pass.LINT or sight.path not in changed | moved_on)
        }
        if self._store is not None and lasting:
            self._store.put(lasting)
        return changed, moved_on


def _is_lasting(verdict: Verdict) -> bool:
    return verdict.problem is None or verdict.problem.kind in _LASTING


def _is_quarantined(verdict: Verdict) -> bool:
    return verdict.problem is not None and verdict.problem.kind is ProblemKind.QUARANTINED


def _outcome(
    sight: Sight, known: Mapping[bytes, Verdict], fresh: Mapping[Pass, Verdict], now: float
) -> Outcome:
    verdicts = {pass_: fresh[pass_] if pass_ in fresh else known[key] for pass_, key in sight.keys.items()}
    told = {pass_: with_exclude_line(sight.path, verdict) for pass_, verdict in verdicts.items()}
    latency = round(1000 * (now - sight.entry.noticed))
    return Outcome(sight.path, sight.keys, told, frozenset(fresh), sight.entry.trigger, latency)


def _unread_outcome(unread: Unread, context: Context, now: float) -> Outcome:
    entry = unread.entry
    verdict = with_exclude_line(entry.path, Verdict(problem=unread.problem))
    verdicts = dict.fromkeys(context.passes_for(entry.path), verdict)
    latency = round(1000 * (now - entry.noticed))
    return Outcome(entry.path, {}, verdicts, frozenset(), entry.trigger, latency)
