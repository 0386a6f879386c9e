"""A heal where no watcher runs: it takes the watcher's place, and so the lease, for as long as it lasts."""

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgspec

from konivrer_watch.core.events import HealFinished
from konivrer_watch.core.heal import Heal, StepReport, Trouble
from konivrer_watch.core.model import Pass, ProblemKind, Trigger
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.contexts import Packs, Place
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.heal_house import disk_step, leftovers_step, logs_step, store_step
from konivrer_watch.daemon.heal_judging import quarantine_step, verdicts_step
from konivrer_watch.daemon.heal_tree import tree_step
from konivrer_watch.daemon.heal_watching import watches_step
from konivrer_watch.daemon.healer import Rejudge, Step, perform
from konivrer_watch.daemon.workbench import Memory, Workbench, open_workbench
from konivrer_watch.system.clocks import read_clocks
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.marks import Marks
from konivrer_watch.system.record import read_record

_BATCH = 64


class AloneRequest(msgspec.Struct, frozen=True):
    """What to heal. ``sockets`` are the places where the root's control socket may lie."""

    place: Place
    packs: Packs
    settings: Settings
    folders: StateFolders
    sockets: tuple[Path, ...]


async def heal_alone(request: AloneRequest) -> Heal:
    """Perform the steps that need no running watcher. Raises ``LeaseHeldError`` where one runs."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    own = request.folders.own
    with hold_lease(
        request.folders.lock, f"process {os.getpid()} (heal), since {at[:19].replace('T', ' ')} UTC"
    ):
        marks = Marks(own, read_clocks)
        marks.heal_begun()
        async with open_workbench(
            request.place, request.packs, request.settings, request.folders, Memory.KEPT
        ) as bench:
            files = (await bench.contexts.survey()).files
            is_known = bool(bench.judge.records) or not any(map(bench.contexts.applies, files))
            stale: set[bytes] = set()
            heal = await perform(_steps(request, bench, stale.update, is_known), at)
            await _judge(bench, stale)
        marks.heal_ended(HealFinished(heal.at, heal.found, heal.mended))
    return heal


def _steps(request: AloneRequest, bench: Workbench, rejudge: Rejudge, is_known: bool) -> list[Step]:
    root, folders, settings = request.place.root, request.folders, request.settings
    logs = logs_step(folders.own / "logs", settings.log_keep, lambda: None)
    return [
        disk_step(folders),
        # Without a background service there are no logs to miss.
        *([] if read_record(folders.own) is None else [logs]),
        leftovers_step(root, folders, lambda: request.sockets, settings.check_interval),
        watches_step(),
        store_step(bench),
        tree_step(root, bench, rejudge) if is_known else Step("tree", 1, _tell_unknown),
        verdicts_step(bench, rejudge, dict),
        quarantine_step(bench, lambda: _quarantined(bench), rejudge),
    ]


async def _tell_unknown() -> StepReport:
    return StepReport((Trouble("nothing is known of this root yet", why="run konivrer-watch check"),))


def _quarantined(bench: Workbench) -> Mapping[bytes, Collection[Pass]]:
    """Return the files that are set aside, as the store has them. Blocking."""
    context = bench.contexts.current
    if context is None or bench.verdicts is None:
        return {}
    keys = {path: context.keys(path, record) for path, record in bench.judge.records.items()}
    stored = bench.verdicts.get([key for some in keys.values() for key in some.values()])
    aside = {
        key
        for key, verdict in stored.items()
        if verdict.problem is not None and verdict.problem.kind is ProblemKind.QUARANTINED
    }
    found = {path: [pass_ for pass_, key in some.items() if key in aside] for path, some in keys.items()}
    return {path: passes for path, passes in found.items() if passes}


async def _judge(bench: Workbench, stale: Iterable[bytes]) -> None:
    now = anyio.current_time()
    entries = [Settled(path, Trigger.REQUEST, now) for path in stale]
    for start in range(0, len(entries), _BATCH):
        await bench.judge.judge(entries[start : start + _BATCH])
