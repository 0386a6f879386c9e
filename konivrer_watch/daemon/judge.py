"""From paths to outcomes: bytes read once, verdicts looked up by key, and only what is unknown sent to the engines."""

import os
import time
from collections.abc import Collection, Mapping, Sequence

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.errors import EngineDiedError, EngineMissingError, EngineSilentError
from konivrer_watch.core.model import (
    FileRecord,
    Outcome,
    Pass,
    Problem,
    ProblemKind,
    Signature,
    Verdict,
)
from konivrer_watch.core.settle import Settled
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon.context import Context
from konivrer_watch.daemon.contexts import Contexts
from konivrer_watch.daemon.frames import WorkerJob, decode_answer, encode
from konivrer_watch.passes.lint.words import import_words, may_silence
from konivrer_watch.system.files import TooLargeError, UnstableError, is_settled, read_file, stat_file
from konivrer_watch.system.ruff import LintJob, Ruff
from konivrer_watch.system.store import VerdictStore
from konivrer_watch.system.workers import Workers

# Problems that are a function of the bytes alone, so that the store may remember them.
_LASTING = frozenset({ProblemKind.UNPARSABLE, ProblemKind.QUARANTINED})


class Judged(msgspec.Struct, frozen=True):
    """What came of a batch: outcomes, files that changed while they were judged, and files that are gone."""

    outcomes: tuple[Outcome, ...]
    again: tuple[Settled, ...]
    gone: tuple[bytes, ...]


class _Sight(msgspec.Struct, frozen=True):
    """One file as it was read for a batch. ``data`` is ``None`` where its record made reading needless."""

    entry: Settled
    signature: Signature
    record: FileRecord
    data: bytes | None
    settled: bool
    keys: dict[Pass, bytes]


class _Unread(msgspec.Struct, frozen=True):
    """A file that is there and cannot be read."""

    entry: Settled
    problem: Problem


class Judge:
    """Judges batches of files under the current context. ``spent`` adds up seconds of work by pass."""

    def __init__(
        self,
        root: bytes,
        limit_bytes: int,
        store: VerdictStore | None,
        records: dict[bytes, FileRecord],
        ruff: Ruff | None,
        workers: Workers,
        contexts: Contexts,
    ) -> None:
        self._root = root
        self._limit = limit_bytes
        self._store = store
        self._ruff = ruff
        self._workers = workers
        self._contexts = contexts
        self.records = records
        self.spent: dict[Pass, float] = dict.fromkeys(Pass, 0.0)

    async def judge(self, entries: Sequence[Settled]) -> Judged:
        """Judge a batch. Files that another program writes meanwhile are returned in ``again``, without a verdict."""
        context = self._contexts.current
        if context is None:
            raise RuntimeError("nothing can be judged before the configurations were read")
        sights, unread, again, gone = await anyio.to_thread.run_sync(self._look, entries, context)
        verdicts = await self._known(sights)
        missing = {
            sight.entry.path: tuple([pass_ for pass_, key in sight.keys.items() if key not in verdicts])
            for sight in sights
        }
        unknown = [sight for sight in sights if missing[sight.entry.path]]
        fresh, changed = await self._run_engines(unknown, missing, context)
        self._remember(sights, changed)
        await self._keep(unknown, fresh)
        now = anyio.current_time()
        outcomes = [
            _outcome(sight, verdicts, fresh.get(sight.entry.path, {}), now)
            for sight in sights
            if sight.entry.path not in changed
        ]
        outcomes += [_unread_outcome(each, context, now) for each in unread]
        again += [sight.entry for sight in sights if sight.entry.path in changed]
        return Judged(tuple(outcomes), tuple(again), tuple(gone))

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
        record = self.records.get(path)
        return (
            record is not None and record.signature == signature and context.keys(path, record) == known.keys
        )

    def forget(self, files: Collection[bytes]) -> None:
        """Drop the records of all other files than these."""
        for path in self.records.keys() - files:
            del self.records[path]

    def _look(
        self, entries: Sequence[Settled], context: Context
    ) -> tuple[list[_Sight], list[_Unread], list[Settled], list[bytes]]:
        sights: list[_Sight] = []
        unread: list[_Unread] = []
        again: list[Settled] = []
        gone: list[bytes] = []
        for entry in entries:
            signature = stat_file(self._root, entry.path)
            if signature is None:
                gone.append(entry.path)
                continue
            record = self.records.get(entry.path)
            if record is not None and record.signature == signature:
                keys = context.keys(entry.path, record)
                sights.append(_Sight(entry, signature, record, None, True, keys))
                continue
            try:
                sights.append(self._read(entry, context))
            except UnstableError:
                again.append(entry)
            except FileNotFoundError:
                gone.append(entry.path)
            except TooLargeError:
                unread.append(_Unread(entry, _too_large(entry.path, self._limit)))
            except OSError as error:
                unread.append(_Unread(entry, _unreadable(error)))
        return sights, unread, again, gone

    def _read(self, entry: Settled, context: Context) -> _Sight:
        file = read_file(self._root, entry.path, self._limit, time.time_ns())
        words = b" ".join(import_words(file.data, entry.path))
        record = FileRecord(file.signature, file.digest, words)
        keys = context.keys(entry.path, record)
        return _Sight(entry, file.signature, record, file.data, file.settled, keys)

    async def _known(self, sights: Sequence[_Sight]) -> dict[bytes, Verdict]:
        if self._store is None:
            return {}
        keys = [key for sight in sights for key in sight.keys.values()]
        return await anyio.to_thread.run_sync(self._store.get, keys)

    async def _run_engines(
        self, unknown: Sequence[_Sight], missing: dict[bytes, tuple[Pass, ...]], context: Context
    ) -> tuple[dict[bytes, dict[Pass, Verdict]], set[bytes]]:
        fresh: dict[bytes, dict[Pass, Verdict]] = {sight.entry.path: {} for sight in unknown}
        changed: set[bytes] = set()

        async def lint() -> None:
            sights = [sight for sight in unknown if Pass.LINT in missing[sight.entry.path]]
            for path, verdict in (await self._lint(sights, context)).items():
                fresh[path][Pass.LINT] = verdict
            changed.update(await anyio.to_thread.run_sync(self._changed, sights))

        async def rest(sight: _Sight) -> None:
            passes = tuple([pass_ for pass_ in missing[sight.entry.path] if pass_ is not Pass.LINT])
            if not passes:
                return
            data = sight.data
            if data is None:
                data = await anyio.to_thread.run_sync(self._read_again, sight)
            if data is None:
                changed.add(sight.entry.path)
                return
            fresh[sight.entry.path].update(await self._ask(WorkerJob(sight.entry.path, data, passes)))

        async with anyio.create_task_group() as group:
            group.start_soon(lint)
            for sight in unknown:
                group.start_soon(rest, sight)
        return fresh, changed

    async def _lint(self, sights: Sequence[_Sight], context: Context) -> dict[bytes, Verdict]:
        if not sights:
            return {}
        if self._ruff is None:
            problem = Problem(
                ProblemKind.ENGINE,
                "ruff is not installed beside this Python, nor on PATH",
                "install it with 'pip install ruff', or leave the lint pass out with --pass optimize,security",
            )
            return {sight.entry.path: Verdict(problem=problem) for sight in sights}
        jobs = [
            LintJob(
                sight.entry.path,
                context.lint_profile(sight.entry.path),
                sight.data is None or may_silence(sight.data),
            )
            for sight in sights
        ]
        try:
            started = time.perf_counter()
            verdicts = await self._ruff.check(self._root, jobs)
            self.spent[Pass.LINT] += time.perf_counter() - started
            return verdicts
        except EngineMissingError as error:
            problem = Problem(ProblemKind.ENGINE, str(error), "install ruff again and save the file")
            return {sight.entry.path: Verdict(problem=problem) for sight in sights}

    def _changed(self, sights: Sequence[_Sight]) -> list[bytes]:
        """Return the files that ruff may have seen with other bytes than those that were hashed."""
        return [sight.entry.path for sight in sights if not self._is_same(sight)]

    def _is_same(self, sight: _Sight) -> bool:
        if stat_file(self._root, sight.entry.path) != sight.signature:
            return False
        return sight.settled or self._read_again(sight) is not None

    def _read_again(self, sight: _Sight) -> bytes | None:
        try:
            file = read_file(self._root, sight.entry.path, self._limit, time.time_ns())
        except (OSError, TooLargeError, UnstableError):
            return None
        return file.data if file.digest == sight.record.digest else None

    async def _ask(self, job: WorkerJob) -> dict[Pass, Verdict]:
        try:
            try:
                answer = await self._workers.ask(encode(job))
            except EngineDiedError:
                # Anything may have ended that worker; a file that ends a second one is to blame itself.
                answer = await self._workers.ask(encode(job))
            answered = decode_answer(answer)
            for pass_, seconds in answered.seconds.items():
                self.spent[pass_] += seconds
            return answered.verdicts
        except (EngineDiedError, EngineSilentError) as error:
            problem = Problem(
                ProblemKind.QUARANTINED,
                f"the engine worker {error}",
                "the file is set aside until it changes; exclude it if that is no surprise",
            )
            return {pass_: Verdict(problem=problem) for pass_ in job.passes}

    def _remember(self, sights: Sequence[_Sight], changed: set[bytes]) -> None:
        now = time.time_ns()
        for sight in sights:
            path = sight.entry.path
            if path in changed or not is_settled(sight.signature, now):
                self.records.pop(path, None)
            else:
                self.records[path] = sight.record

    async def _keep(self, sights: Sequence[_Sight], fresh: dict[bytes, dict[Pass, Verdict]]) -> None:
        if self._store is None:
            return
        lasting = {
            sight.keys[pass_]: verdict
            for sight in sights
            for pass_, verdict in fresh[sight.entry.path].items()
            if verdict.problem is None or verdict.problem.kind in _LASTING
        }
        if lasting:
            await anyio.to_thread.run_sync(self._store.put, lasting)


def _outcome(sight: _Sight, known: dict[bytes, Verdict], fresh: dict[Pass, Verdict], now: float) -> Outcome:
    verdicts = {pass_: known[key] for pass_, key in sight.keys.items() if key in known} | fresh
    latency = round(1000 * (now - sight.entry.noticed))
    entry = sight.entry
    return Outcome(entry.path, sight.keys, verdicts, frozenset(fresh), entry.trigger, latency)


def _unread_outcome(unread: _Unread, context: Context, now: float) -> Outcome:
    entry = unread.entry
    verdicts = {pass_: Verdict(problem=unread.problem) for pass_ in context.passes_for(entry.path)}
    latency = round(1000 * (now - entry.noticed))
    return Outcome(entry.path, {}, verdicts, frozenset(), entry.trigger, latency)


def _too_large(path: bytes, limit: int) -> Problem:
    name = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    return Problem(
        ProblemKind.TOO_LARGE,
        f"larger than {limit >> 10} kB",
        f'raise max_file_kb, or leave it out with exclude = ["/{name}"]',
    )


def _unreadable(error: OSError) -> Problem:
    reason = error.strerror or str(error)
    return Problem(
        ProblemKind.UNREADABLE, f"cannot be read: {reason}", "check its permissions, or exclude it"
    )
