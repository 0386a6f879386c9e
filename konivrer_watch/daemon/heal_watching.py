"""Heal steps about what only a running watcher has: its source of events, its engine workers, its clocks."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from konivrer_watch.core.heal import StepReport, Trouble, clock_jump, is_scarce, is_swollen
from konivrer_watch.core.schedule import Instant
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.frames import WorkerJob, encode
from konivrer_watch.daemon.healer import Step, blocking_step
from konivrer_watch.daemon.probe import Source
from konivrer_watch.system.room import resident_bytes, watch_limit, watches_in_use
from konivrer_watch.system.workers import Workers

_PATIENCE_SECONDS = 5.0
# A source that is deaf is so for five seconds; then it is built anew, and has to be heard.
_HEAR_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_NO_WORK = encode(WorkerJob(b"", b"", ()))


def workers_step(workers: Workers, memory_max: int) -> Step:
    """Replace engine workers that have ended, hang or have swollen; those at work have deadlines of their own."""

    def swollen(pid: int) -> bool:
        resident = resident_bytes(pid)
        return resident is not None and is_swollen(resident, memory_max)

    async def run() -> StepReport:
        troubles = await workers.examine(_NO_WORK, swollen, _PATIENCE_SECONDS)
        return StepReport(tuple([Trouble(trouble, mended="another takes its place") for trouble in troubles]))

    return Step("workers", 2 * _PATIENCE_SECONDS * workers.size + 5, run)


def watch_step(source: Source, status: Callable[[], Status], ask_probe: Callable[[], None]) -> Step:
    """Put the source to the test, which rebuilds it where it fails, and see whether it is heard then."""

    async def run() -> StepReport:
        before = status()
        if before.root_fault is not None:
            return StepReport((Trouble(before.root_fault, why="it is watched again as soon as it is there"),))
        if not source.announces:
            return StepReport()
        ask_probe()
        fault = before.degraded
        with anyio.move_on_after(_HEAR_SECONDS):
            while (now := status()).probed == before.probed or now.deaf is not None:
                fault = fault or now.degraded
                if now.probe_fault is not None:
                    return StepReport((Trouble(now.probe_fault, why="correct that; the watch may be well"),))
                await anyio.sleep(_LOOK_SECONDS)
            fault = fault or now.degraded
        return StepReport(_heard(fault, before, status()))

    return Step("watch", _HEAR_SECONDS + 5, run)


def _heard(fault: str | None, before: Status, now: Status) -> tuple[Trouble, ...]:
    if now.degraded is not None or now.probed == before.probed:
        why = "it is built anew until it is heard; meanwhile the tree is swept"
        return (Trouble(fault or "the watch does not answer", why=why),)
    return () if fault is None else (Trouble(fault, mended="the watch was built anew and is heard again"),)


def watches_step() -> Step:
    """Say where the user's inotify watches run out, for then new folders are silent."""

    def look() -> list[Trouble]:
        limit = watch_limit()
        used = 0 if limit is None else watches_in_use()
        if limit is None or not is_scarce(used, limit):
            return []
        what = f"{used:,} of the {limit:,} inotify watches that this user may have are in use"
        why = f"allow more: sudo sysctl fs.inotify.max_user_watches={2 * limit}; until then sweeps find what is new"
        return [Trouble(what, why=why)]

    return blocking_step("watches", 20, look)


def clock_step(clock: Callable[[], Instant], react: Callable[[], None]) -> Step:
    """Notice that the wall clock was set since the last heal; ``react`` has everything looked at once more."""
    known = clock()

    async def run() -> StepReport:
        nonlocal known
        before, known = known, clock()
        jump = clock_jump(before, known)
        if jump is None:
            return StepReport()
        react()
        way = "forward" if jump > 0 else "back"
        mended = "the tree is swept and the watch put to the test; no timer counts by that clock"
        return StepReport((Trouble(f"the clock was set {way} by {abs(jump):,.0f} s", mended=mended),))

    return Step("clock", 5, run)
