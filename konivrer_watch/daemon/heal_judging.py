"""Heal steps about verdicts: the bytes they were given for are those on disk, and engines that start anew agree."""

import functools
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import anyio
import anyio.to_thread

from konivrer_watch.core.heal import StepReport, Trouble, sample_size
from konivrer_watch.core.model import FileRecord, Outcome, Pass, ProblemKind, Trigger, Verdict
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.context import Context
from konivrer_watch.daemon.healer import Looks, Step
from konivrer_watch.daemon.hints import with_exclude_line
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.report.text import path_text
from konivrer_watch.system.files import TooLargeError, UnstableError, read_file, stat_file

Rejudge = Callable[[Iterable[bytes]], None]
"""Has files judged once more, soon."""

_BATCH = 64
# A hash sweep takes a tenth of a core for as long as it lasts.
_REST = 9.0
_FEW = 10
_ENGINE_BATCH = 8
_ENGINE_SECONDS = 30.0
_QUARANTINE_SECONDS = 60.0
# Anything that is longer is no file that counts.
_LIMIT = 1 << 30


def tree_step(root: bytes, bench: Workbench, rejudge: Rejudge) -> Step:
    """Read every file whose bytes are known, and have those judged that hold others under the same signature."""
    looks = Looks()

    async def run() -> StepReport:
        records = list(bench.judge.records.items())
        differing: list[tuple[bytes, FileRecord]] = []
        for start in range(0, len(records), _BATCH):
            look = functools.partial(_differing, root, records[start : start + _BATCH])
            found, cost = await looks.run(look)
            differing += found
            await anyio.sleep(cost * _REST)
        # What was judged meanwhile is known anew.
        paths = [path for path, record in differing if bench.judge.records.get(path) == record]
        bench.judge.distrust(paths)
        rejudge(paths)
        return StepReport(tuple(_changed(paths)))

    return Step("tree", 240, run)


def _differing(
    root: bytes, records: Sequence[tuple[bytes, FileRecord]]
) -> tuple[list[tuple[bytes, FileRecord]], float]:
    """Return the files with the signature they are known by and other bytes, and the CPU seconds that took."""
    began = time.thread_time()
    found = [(path, record) for path, record in records if _differs(root, path, record)]
    return found, time.thread_time() - began


def _differs(root: bytes, path: bytes, record: FileRecord) -> bool:
    if stat_file(root, path) != record.signature:
        # An ordinary change, which is on its way.
        return False
    try:
        file = read_file(root, path, _LIMIT, time.time_ns())
    except (OSError, TooLargeError, UnstableError):
        return False
    return file.signature == record.signature and file.digest != record.digest


def _changed(paths: Sequence[bytes]) -> list[Trouble]:
    mended = "read and judged anew"
    if len(paths) > _FEW:
        what = (
            f"{len(paths):,} files, {path_text(paths[0])} among them, changed without a trace in their times"
        )
        return [Trouble(what, mended=mended)]
    return [
        Trouble(f"{path_text(path)} changed without a trace in its times", mended=mended) for path in paths
    ]


def verdicts_step(bench: Workbench, rejudge: Rejudge) -> Step:
    """Prove a sample of what is stored. An engine that says otherwise loses all that is stored of it."""
    looks = Looks()

    async def run() -> StepReport:
        context = bench.contexts.current
        if context is None or bench.verdicts is None:
            return StepReport()
        look = functools.partial(_sample, bench, context)
        stored = await looks.run(look)
        wrong: dict[Pass, bytes] = {}
        for outcome in await _judge_cold(bench, list(stored), _ENGINE_SECONDS) if stored else []:
            for pass_ in _disproven(outcome, stored[outcome.path]):
                wrong.setdefault(pass_, outcome.path)
        return StepReport(
            tuple([await _dropped(bench, pass_, path, rejudge) for pass_, path in wrong.items()])
        )

    return Step("verdicts", 100, run)


def _sample(bench: Workbench, context: Context) -> dict[bytes, dict[bytes, Verdict]]:
    """Return random files with what is stored of them by key, until there are enough verdicts. Blocking."""
    records = list(bench.judge.records.items())
    wanted = sample_size(sum([len(context.passes_for(path)) for path, _ in records]))
    random.shuffle(records)
    sample: dict[bytes, dict[bytes, Verdict]] = {}
    for path, record in records:
        if wanted <= 0 or bench.verdicts is None:
            break
        stored = bench.verdicts.get(list(context.keys(path, record).values()))
        proven = {key: verdict for key, verdict in stored.items() if _is_provable(verdict)}
        if proven:
            sample[path] = proven
            wanted -= len(proven)
    return sample


def _is_provable(verdict: Verdict) -> bool:
    """Whether an engine that is well has to say the same again."""
    return verdict.problem is None or verdict.problem.kind is ProblemKind.UNPARSABLE


def _disproven(outcome: Outcome, stored: Mapping[bytes, Verdict]) -> list[Pass]:
    return [
        pass_
        for pass_, verdict in outcome.verdicts.items()
        if _is_provable(verdict)
        and (kept := stored.get(outcome.keys.get(pass_, b""))) is not None
        and with_exclude_line(outcome.path, kept) != verdict
    ]


async def _dropped(bench: Workbench, pass_: Pass, path: bytes, rejudge: Rejudge) -> Trouble:
    what = f"{pass_}: what is stored of {path_text(path)} is not what the engine says when it starts anew"
    dropped = 0
    if bench.verdicts is not None:
        dropped = await anyio.to_thread.run_sync(bench.verdicts.empty, pass_)
    rejudge([each for each in list(bench.judge.records) if pass_ in bench.contexts.passes_for(each)])
    return Trouble(
        what, mended=f"all {dropped:,} verdicts of that pass were dropped, and its files are judged anew"
    )


async def _judge_cold(bench: Workbench, paths: Sequence[bytes], seconds: float) -> list[Outcome]:
    """Return what engines say that start now, of as many files as ``seconds`` of their work allow."""
    outcomes: list[Outcome] = []
    async with bench.open_cold() as cold:
        for start in range(0, len(paths), _ENGINE_BATCH):
            now = anyio.current_time()
            entries = [Settled(path, Trigger.SWEEP, now) for path in paths[start : start + _ENGINE_BATCH]]
            outcomes += (await cold.judge(entries)).outcomes
            if sum(cold.spent.values()) > seconds:
                break
    return outcomes


def quarantine_step(
    bench: Workbench, quarantined: Callable[[], Mapping[bytes, Collection[Pass]]], rejudge: Rejudge
) -> Step:
    """Give files over which an engine ended another try, with one that starts anew.

    ``quarantined`` returns them with the passes that have no answer. Blocking.
    """
    looks = Looks()

    async def run() -> StepReport:
        waiting = await looks.run(quarantined)
        paths = list(waiting)
        # Where there are too many for one heal, others come first in the next.
        random.shuffle(paths)
        outcomes = await _judge_cold(bench, paths, _QUARANTINE_SECONDS) if paths else []
        troubles: list[Trouble] = []
        freed: dict[bytes, bytes] = {}
        for outcome in outcomes:
            for pass_ in waiting[outcome.path]:
                verdict = outcome.verdicts.get(pass_, Verdict())
                troubles.append(_tried(outcome.path, pass_, verdict))
                if _is_provable(verdict) and pass_ in outcome.keys:
                    freed[outcome.keys[pass_]] = outcome.path
        if freed and bench.verdicts is not None:
            await anyio.to_thread.run_sync(bench.verdicts.forget, list(freed))
            rejudge(set(freed.values()))
        return StepReport(tuple(troubles))

    return Step("quarantine", 150, run)


def _tried(path: bytes, pass_: Pass, verdict: Verdict) -> Trouble:
    what = f"{path_text(path)} was set aside by {pass_}"
    if verdict.problem is None or _is_provable(verdict):
        return Trouble(what, mended="it passes now and is judged anew")
    return Trouble(what, why=f"{verdict.problem.message}; {verdict.problem.hint}")
