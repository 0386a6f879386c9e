"""The watcher as a whole: builds the parts, runs them in one task group, and ends them together."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.model import Hint
from konivrer_watch.core.pace import Limits
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.settle import Settle
from konivrer_watch.core.status import SourceChanged, WorkPaused, WorkResumed
from konivrer_watch.daemon.contexts import Packs, Place
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Listener, Recorder
from konivrer_watch.daemon.runner import Runner
from konivrer_watch.daemon.service import Service
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.daemon.workbench import Memory, StateFolders, Workbench, open_workbench
from konivrer_watch.system.control import serve
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.load import LoadMeter
from konivrer_watch.system.portable import PollingSource, PortableSource

_SAVE_SECONDS = 30.0


class Watch(msgspec.Struct, frozen=True):
    """What to watch, and how."""

    place: Place
    packs: Packs
    settings: Settings
    folders: StateFolders
    socket: Path


async def watch(request: Watch, listener: Listener, started: Callable[[], None]) -> None:
    """Watch until SIGINT or SIGTERM. ``started`` is called once the lease is ours.

    Raises ``LeaseHeldError`` where this root is watched already.
    """
    holder = f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    with hold_lease(request.folders.own / "lock", holder):
        started()
        async with open_workbench(
            request.place, request.packs, request.settings, request.folders, Memory.KEPT
        ) as bench:
            await _App(request, bench, listener).run()


class _App:
    def __init__(self, request: Watch, bench: Workbench, listener: Listener) -> None:
        settings = request.settings
        self._request = request
        self._bench = bench
        self._inbox = Inbox()
        self._recorder = Recorder(listener)
        queue = Queue()
        meter = LoadMeter()
        limits = Limits(settings.resource_threshold, settings.resource_resume)
        self._throttle = Throttle(limits, meter.sample, self._announce, _utc_now)
        settle = Settle(settings.debounce_ms / 1000, settings.debounce_max_ms / 1000)
        self._intake = Intake(bench, settle, self._inbox, queue, self._recorder)
        self._runner = Runner(
            queue,
            self._throttle,
            bench.judge,
            self._recorder,
            self._inbox,
            self._intake.unsettled,
            self._intake.report_progress,
        )
        kind = PollingSource if settings.source == "poll" else PortableSource
        self._source = kind(request.place.root, self._inbox.put_nowait, self._source_changed)
        self._service = Service(
            request.place.root,
            self._source.name,
            settings,
            self._recorder,
            self._intake,
            queue,
            self._throttle,
            meter,
        )

    async def run(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_on_signal, group.cancel_scope)
            await group.start(self._serve)
            group.start_soon(self._source.run)
            group.start_soon(self._intake.run)
            group.start_soon(self._throttle.run)
            group.start_soon(self._runner.run)
            group.start_soon(self._save)

    async def _serve(self, task_status: anyio.abc.TaskStatus[None]) -> None:
        await serve(self._request.socket, self._service.answer, task_status=task_status)

    async def _save(self) -> None:
        """Keep what was learned, so that a crash costs half a minute of it."""
        while True:
            await anyio.sleep(_SAVE_SECONDS)
            await anyio.to_thread.run_sync(self._bench.save)

    def _announce(self, event: WorkPaused | WorkResumed) -> None:
        self._recorder.record(event)

    def _source_changed(self, degraded: str | None) -> None:
        self._recorder.record(SourceChanged(degraded))
        self._inbox.put_nowait([Hint(None)])


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _utc_now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
