"""What the running service says of itself on the control socket."""

import os
import time
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import msgspec
from msgspec import UNSET

from konivrer_watch.core.model import Launcher, Pass, Problem, ProblemKind
from konivrer_watch.core.pull import PullResult
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import State
from konivrer_watch.core.status import Status as WatchStatus
from konivrer_watch.daemon.describe import told_once
from konivrer_watch.daemon.healing import Healing
from konivrer_watch.daemon.heartbeat import Heartbeat
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.report.heal import heal_json
from konivrer_watch.report.json import encode, findings_json, problem_json
from konivrer_watch.report.status import (
    HealReport,
    LoadReport,
    MemoryReport,
    PullReport,
    QueueReport,
    StatusReport,
    WatchReport,
)
from konivrer_watch.report.text import path_text
from konivrer_watch.system.control import Heal, Ping, Request, Status, Stop
from konivrer_watch.system.load import LoadMeter

# This process's, however often the watch began anew.
_BORN = time.monotonic()
# While there is no work, nothing is sampled; what is older says nothing of the machine as it is.
_FRESH_SECONDS = 10.0
_UNHEALTHY = frozenset({State.DEGRADED, State.FAILED})


def _reason(status: WatchStatus, unproven: str | None) -> str | None:
    if status.stalled is not None:
        return status.stalled
    if status.paused is not None:
        return status.paused.reason
    minor = (*status.store_faults, status.log_fault, status.probe_fault)
    return status.degraded or unproven or "; ".join([fault for fault in minor if fault]) or None


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)


def _unseen(status: WatchStatus) -> list[tuple[bytes, Pass | None, Problem]]:
    """What the verdict lacks because it cannot be looked at."""
    hint = "correct it, or exclude it; the watcher looks again by itself"
    return [
        (skip.path, None, Problem(ProblemKind.UNREADABLE, skip.reason, hint))
        for skip in status.skipped
        if not skip.complete
    ]


def _pull(result: PullResult | None) -> PullReport:
    if result is None:
        return PullReport(reason="not yet: it comes after the first look at the tree")
    return PullReport(result.at, result.result, result.reason)


class Service:
    """Answers requests about one root. ``watched`` is what is said of the source, but for what changes."""

    def __init__(
        self,
        root: bytes,
        record: ServiceRecord,
        watched: WatchReport,
        settings: Settings,
        recorder: Recorder,
        intake: Intake,
        queue: Queue,
        throttle: Throttle,
        meter: LoadMeter,
        heartbeat: Heartbeat,
        healing: Healing,
    ) -> None:
        self._root = root
        self._record = record
        self._watched = watched
        self._settings = settings
        self._recorder = recorder
        self._intake = intake
        self._queue = queue
        self._throttle = throttle
        self._meter = meter
        self._heartbeat = heartbeat
        self._healing = healing

    async def answer(self, request: Request) -> bytes:
        """Answer one request."""
        match request:
            case Ping():
                return b"pong"
            case Stop():
                return self._how_to_stop().encode()
            case Heal():
                return heal_json(self._root, await self._healing.heal_now())
            case Status(sync, findings, timeout):
                synced = await self._synchronize(timeout) if sync else None
                memory = await anyio.to_thread.run_sync(self._meter.rss_of_tree)
                return encode(self._report(synced, findings, memory))

    def _how_to_stop(self) -> str:
        match self._record.launcher:
            case Launcher.TERMINAL:
                return "a terminal's watcher is ended with Ctrl-C"
            case launcher:
                return f"this service is kept by {launcher}, which would start it again: end it there"

    async def _synchronize(self, timeout: float) -> bool:
        with self._throttle.bypass(), anyio.move_on_after(timeout):
            await self._intake.synchronize()
            return True
        return False

    def _report(self, synced: bool | None, findings: bool, memory: tuple[int, int]) -> StatusReport:
        status = self._recorder.status
        state = status.state
        unproven = self._heartbeat.unproven
        return StatusReport(
            root=path_text(self._root),
            state=state,
            healthy=status.degraded is None and unproven is None and state not in _UNHEALTHY,
            reason=_reason(status, unproven),
            pid=os.getpid(),
            supervisor_pid=self._record.supervisor_pid,
            launcher=self._record.launcher,
            restarts=self._record.restarts,
            restart_reason=self._record.reason,
            started=self._record.at,
            uptime_s=round(time.monotonic() - _BORN),
            as_of=status.as_of,
            complete=status.complete,
            queue=QueueReport(self._queue.waiting, self._queue.running),
            findings=status.count(),
            load=self._load(),
            heal=self._heal(),
            pull=_pull(status.pull),
            watch=msgspec.structs.replace(
                self._watched,
                directories=self._intake.directories,
                degraded=status.degraded,
                probed=status.probed,
                missed=status.missed,
            ),
            memory_mb=MemoryReport(memory[0] >> 20, memory[1] >> 20),
            problems=[
                problem_json(*problem)
                for problem in (*_unseen(status), *told_once(self._root, status.problems))
            ],
            synced=UNSET if synced is None else synced,
            findings_list=findings_json(status.findings) if findings else UNSET,
        )

    def _heal(self) -> HealReport:
        last, seconds = self._healing.last, self._healing.due
        following = None
        if seconds is not None:
            due = datetime.fromtimestamp(time.time() + seconds, UTC)
            following = due.strftime("%Y-%m-%dT%H:%M:%SZ")
        if last is None:
            return HealReport(next=following)
        return HealReport(last.at, following, last.found, last.mended)

    def _load(self) -> LoadReport:
        load, since = self._throttle.load, self._throttle.paused_since
        paused = self._recorder.status.paused
        report = LoadReport(threshold=self._settings.resource_threshold, paused=paused is not None)
        if since is not None:
            report = msgspec.structs.replace(report, paused_s=round(anyio.current_time() - since))
        if load is None or anyio.current_time() - load.at > _FRESH_SECONDS:
            return report
        return msgspec.structs.replace(
            report,
            cpu_percent=_rounded(load.cpu_others_percent),
            memory_percent=_rounded(load.memory_others_percent),
            own_cpu_percent=_rounded(load.own_cpu_percent),
            cause=load.cause,
        )
