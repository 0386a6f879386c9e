"""One verdict over a tree, now: ``check``."""

import os
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.events import ContextRead, FilesJudged, QueueDrained, SweepFinished
from konivrer_watch.core.model import Outcome, Problem, ProblemKind, Skip, Trigger, Verdict
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.settle import Settled
from konivrer_watch.core.status import Status, fold
from konivrer_watch.daemon.contexts import Packs, Place
from konivrer_watch.daemon.describe import describe
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.workbench import Memory, Workbench, open_workbench
from konivrer_watch.report.verdicts import Report, Timing
from konivrer_watch.system.scan import Snapshot, dispose

_BATCH = 256
_LANES = 2
# A file that is written without pause cannot be judged; after this many attempts the verdict says so.
_ATTEMPTS = 5

Progress = Callable[[int, int], None]


class Request(msgspec.Struct, frozen=True):
    """What to check. ``only`` are files and folders relative to the root; ``None`` is the whole tree."""

    place: Place
    packs: Packs
    settings: Settings
    folders: StateFolders
    memory: Memory
    only: Collection[bytes] | None = None


async def check(request: Request, progress: Progress, warn: Callable[[str], None]) -> Report:
    """Scan, judge what counts, and report.

    ``progress`` hears how many of how many files are done, ``warn`` of what is no part of the verdict.
    """
    started = time.perf_counter()
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    async with open_workbench(
        request.place, request.packs, request.settings, request.folders, request.memory
    ) as bench:
        snapshot = await bench.contexts.survey()
        scanned = time.perf_counter()
        paths = [
            path for path in snapshot.files if _wanted(path, request.only) and bench.contexts.applies(path)
        ]
        outcomes = await _judge_all(bench, snapshot.files, paths, progress)
        skipped = [skip for skip in snapshot.skipped if _wanted(skip.path, request.only)]
        skipped += await anyio.to_thread.run_sync(_uncounted, bench, snapshot, request.only or ())
        status = Status()
        for event in (
            ContextRead(bench.contexts.faults),
            SweepFinished(at, tuple(skipped)),
            FilesJudged(tuple(outcomes)),
            QueueDrained(),
        ):
            status = fold(status, event)
        if request.only is None:
            bench.judge.forget(snapshot.files)
        for fault in bench.faults:
            warn(fault)
        timing = Timing(
            total=_ms(time.perf_counter() - started),
            scan=_ms(scanned - started),
            **{pass_.value: _ms(seconds) for pass_, seconds in bench.judge.spent.items()},
        )
        ran = sum(1 for outcome in outcomes if outcome.ran)
        cached = sum(1 for outcome in outcomes if outcome.keys and not outcome.ran)
        return describe(request.place.root, status, ran=ran, cached=cached, timing=timing)


def _uncounted(bench: Workbench, snapshot: Snapshot, only: Collection[bytes]) -> list[Skip]:
    """Return the files that were named and that no pass looks at, each with the reason. Blocking."""
    told = {skip.path for skip in snapshot.skipped}
    scope = bench.contexts.scope()
    skips: list[Skip] = []
    for path in sorted(only):
        if path in told or bench.contexts.applies(path) or os.path.isdir(scope.absolute(path)):
            continue
        reason = dispose(scope, path).reason or "no pass looks at such a file here"
        skips.append(Skip(path, reason, complete=True))
    return skips


async def _judge_all(
    bench: Workbench, files: Collection[bytes], paths: list[bytes], progress: Progress
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    now = anyio.current_time()
    waiting = [Settled(path, Trigger.REQUEST, now) for path in paths]

    async def lane(batches: list[list[Settled]], again: list[Settled], outdated: list[bool]) -> None:
        while batches:
            judged = await bench.judge.judge(batches.pop(0))
            outcomes.extend(judged.outcomes)
            again.extend(judged.again)
            outdated.append(judged.context_is_old)
            progress(len(outcomes), len(paths))

    for attempt in range(_ATTEMPTS):
        again: list[Settled] = []
        outdated: list[bool] = []
        batches = [waiting[start : start + _BATCH] for start in range(0, len(waiting), _BATCH)]

        async with anyio.create_task_group() as group:
            for _ in range(_LANES):
                group.start_soon(lane, batches, again, outdated)
        if not again:
            return outcomes
        waiting = again
        await anyio.sleep(0.05 * 2**attempt)
        if any(outdated):
            await bench.contexts.read(files)
    return outcomes + [_restless(bench, entry) for entry in waiting]


def _restless(bench: Workbench, entry: Settled) -> Outcome:
    problem = Problem(
        ProblemKind.UNREADABLE, "is written without pause", "check again once it is quiet, or exclude it"
    )
    verdicts = {pass_: Verdict(problem=problem) for pass_ in bench.contexts.passes_for(entry.path)}
    return Outcome(entry.path, {}, verdicts, frozenset(), entry.trigger, 0)


def _wanted(path: bytes, only: Collection[bytes] | None) -> bool:
    if only is None:
        return True
    parts = path.split(b"/")
    return any(b"/".join(parts[:end]) in only for end in range(len(parts) + 1))


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
