"""Heal steps about verdicts: engines that start anew agree with what is stored and shown."""

import functools
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import anyio
import anyio.to_thread

from konivrer_watch.core.heal import StepReport, Trouble, sample_size
from konivrer_watch.core.model import Outcome, Pass, ProblemKind, Trigger, Verdict
from konivrer_watch.core.settle import Settled
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon.context import Context
from konivrer_watch.daemon.healer import Looks, Rejudge, Step
from konivrer_watch.daemon.hints import with_exclude_line
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.report.text import path_text

# A file's verdicts by key, and there by where they are held: stored, shown.
_Held = dict[bytes, dict[str, Verdict]]

_ENGINE_BATCH = 8
_ENGINE_SECONDS = 30.0
_QUARANTINE_SECONDS = 60.0
# What was answered by then counts, whatever the engines still do.
_ENGINE_PATIENCE_SECONDS = 90.0


def verdicts_step(bench: Workbench, rejudge: Rejudge, shown: Callable[[], Mapping[bytes, FileState]]) -> Step:
    """Prove a sample of what is stored and ``shown``. An engine that says otherwise loses all that is stored of it."""
    looks = Looks()

    async def run() -> StepReport:
        context = bench.contexts.current
        if context is None or bench.verdicts is None:
            return StepReport()
        look = functools.partial(_sample, bench, context, shown())
        held = await looks.run(look)
        if not held:
            return StepReport()
        outcomes, left = await _judge_cold(bench, list(held), _ENGINE_BATCH, _ENGINE_SECONDS)
        wrong: dict[Pass, tuple[str, bytes]] = {}
        for outcome in outcomes:
            for pass_, where in _disproven(outcome, held[outcome.path]):
                wrong.setdefault(pass_, (where, outcome.path))
        dropped = [
            await _dropped(bench, pass_, where, path, rejudge) for pass_, (where, path) in wrong.items()
        ]
        return StepReport((*dropped, *_unproven(outcomes, held, left)))

    return Step("verdicts", 100, run)


def _sample(bench: Workbench, context: Context, shown: Mapping[bytes, FileState]) -> dict[bytes, _Held]:
    """Return random files with what is held of them, until there are enough verdicts. Blocking."""
    records = list(bench.judge.records.items())
    wanted = sample_size(sum([len(context.passes_for(path)) for path, _ in records]))
    random.shuffle(records)
    sample: dict[bytes, _Held] = {}
    for path, record in records:
        if wanted <= 0 or bench.verdicts is None:
            break
        keys = context.keys(path, record)
        stored = bench.verdicts.get(list(keys.values()))
        places = {"stored": {key: with_exclude_line(path, verdict) for key, verdict in stored.items()}}
        file = shown.get(path)
        if file is not None:
            # A verdict under another key is on its way out.
            places["shown"] = {
                key: file.verdicts[pass_] for pass_, key in keys.items() if file.keys.get(pass_) == key
            }
        held: _Held = {}
        for where, verdicts in places.items():
            for key, verdict in verdicts.items():
                if _is_provable(verdict):
                    held.setdefault(key, {})[where] = verdict
        if held:
            sample[path] = held
            wanted -= len(held)
    return sample


def _is_provable(verdict: Verdict) -> bool:
    """Whether an engine that is well has to say the same again."""
    return verdict.problem is None or verdict.problem.kind is ProblemKind.UNPARSABLE


def _disproven(outcome: Outcome, held: _Held) -> Iterator[tuple[Pass, str]]:
    for pass_, verdict in outcome.verdicts.items():
        if _is_provable(verdict):
            for where, kept in held.get(outcome.keys.get(pass_, b""), {}).items():
                if kept != verdict:
                    yield pass_, where


def _unproven(
    outcomes: Sequence[Outcome], held: Mapping[bytes, _Held], left: Collection[bytes]
) -> Iterator[Trouble]:
    """Say how much could not be proven. What changed meanwhile is another file, and does not count."""
    answers = [
        verdict
        for outcome in outcomes
        for pass_, verdict in outcome.verdicts.items()
        if outcome.keys.get(pass_) in held[outcome.path]
    ]
    silent = [
        verdict.problem for verdict in answers if verdict.problem is not None and not _is_provable(verdict)
    ]
    late = sum([len(held[path]) for path in left])
    if silent or late:
        why = silent[0].message if silent else "the engines took too long; the next heal takes others"
        proven, wanted = len(answers) - len(silent), len(answers) + late
        yield Trouble(f"only {proven:,} of {wanted:,} verdicts could be proven", why=why)


async def _dropped(bench: Workbench, pass_: Pass, where: str, path: bytes, rejudge: Rejudge) -> Trouble:
    what = f"{pass_}: what is {where} of {path_text(path)} is not what the engine says when it starts anew"
    dropped = 0
    if bench.verdicts is not None:
        dropped = await anyio.to_thread.run_sync(bench.verdicts.empty, pass_)
    rejudge([each for each in list(bench.judge.records) if pass_ in bench.contexts.passes_for(each)])
    return Trouble(
        what, mended=f"all {dropped:,} verdicts of that pass were dropped, and its files are judged anew"
    )


async def _judge_cold(
    bench: Workbench, paths: Sequence[bytes], batch: int, seconds: float
) -> tuple[list[Outcome], Sequence[bytes]]:
    """Return what engines say that start now, and the files for which ``seconds`` of their work did not suffice."""
    outcomes: list[Outcome] = []
    done = 0
    async with bench.open_cold() as cold:
        with anyio.move_on_after(_ENGINE_PATIENCE_SECONDS):
            while done < len(paths) and sum(cold.spent.values()) <= seconds:
                now = anyio.current_time()
                some = paths[done : done + batch]
                outcomes += (await cold.judge([Settled(path, Trigger.SWEEP, now) for path in some])).outcomes
                done += len(some)
    return outcomes, paths[done:]


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
        if not paths:
            return StepReport()
        # One at a time: over which of several an engine ends is not to be found out anew.
        outcomes, left = await _judge_cold(bench, paths, 1, _QUARANTINE_SECONDS)
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
        if left:
            what = f"{len(left):,} of {len(paths):,} files that were set aside could not be tried"
            troubles.append(Trouble(what, why="the engines took too long; the next heal tries others first"))
        return StepReport(tuple(troubles))

    return Step("quarantine", 150, run)


def _tried(path: bytes, pass_: Pass, verdict: Verdict) -> Trouble:
    what = f"{path_text(path)} was set aside by {pass_}"
    if verdict.problem is None or _is_provable(verdict):
        return Trouble(what, mended="it passes now and is judged anew")
    return Trouble(what, why=f"{verdict.problem.message}; {verdict.problem.hint}")
