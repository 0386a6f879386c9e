"""The watcher as a whole: builds the parts, runs them in one task group, and ends them together."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskStatus

from konivrer_watch.core.errors import StopError
from konivrer_watch.core.events import ChangesSeen, Event, SourceChanged, SweepFinished
from konivrer_watch.core.holder import holder_line
from konivrer_watch.core.model import Hint
from konivrer_watch.core.pace import Limits, Load, Resource
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.settle import Settle
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.contexts import Packs, Place
from konivrer_watch.daemon.ending import ANEW, Ended, Ending
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.heal_steps import Patient
from konivrer_watch.daemon.healing import Healing
from konivrer_watch.daemon.heartbeat import Heartbeat
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.listening import keep_listening
from konivrer_watch.daemon.probe import Probe
from konivrer_watch.daemon.pulling import StartupPull
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Judgement, Listener, Recorder
from konivrer_watch.daemon.runner import Runner
from konivrer_watch.daemon.service import Service
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.daemon.upkeep import Upkeep
from konivrer_watch.daemon.workbench import Memory, Workbench, open_workbench
from konivrer_watch.report.status import WatchReport
from konivrer_watch.system.cookie import Cookie
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.load import LoadMeter
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.mounts import needs_sweeps
from konivrer_watch.system.notify import Notifier
from konivrer_watch.system.portable import PollingSource, PortableSource

_SETTINGS = frozenset({b"pyproject.toml", b"konivrer-watch.toml"})


class Watch(msgspec.Struct, frozen=True):
    """What to watch, and how. ``reread`` returns the settings as they are now, or raises ``UsageFault``.

    ``socket`` returns where the control socket belongs now, ``log_fault`` why nothing can be logged. ``record`` tells
    who started this, and how often it was restarted. ``say_healed`` logs what heals find.
    """

    place: Place
    packs: Packs
    settings: Settings
    folders: StateFolders
    socket: Callable[[], Path]
    reread: Callable[[], Settings]
    record: ServiceRecord
    pull: StartupPull
    log_fault: Callable[[], str | None]
    say_healed: Callable[[Severity, str], None]


async def watch(request: Watch, listener: Listener, notifier: Notifier, ending: Ending) -> Ended:
    """Watch until ``ending`` says so or the supervisor is gone, or until it has to begin anew.

    It begins anew where the settings changed, or the state folder went. Raises ``LeaseHeldError`` where this root is
    watched already.
    """
    holder = holder_line(os.getpid(), request.record.launcher, datetime.now(UTC))
    with hold_lease(request.folders.lock, holder, request.socket()):
        try:
            async with open_workbench(
                request.place, request.packs, request.settings, request.folders, Memory.KEPT
            ) as bench:
                return await _App(request, bench, listener, notifier, ending).run()
        except BaseExceptionGroup as group:
            stops, others = group.split(StopError)
            if stops is None or others is not None:
                raise
            raise _first(stops) from group


class _App:
    def __init__(
        self, request: Watch, bench: Workbench, listener: Listener, notifier: Notifier, ending: Ending
    ) -> None:
        settings = request.settings
        self._request = request
        self._bench = bench
        self._listener = listener
        self._notifier = notifier
        self._ending = ending
        self._ended = Ended.TERMINATED
        self._scope = anyio.CancelScope()
        self._looked = anyio.Event()
        inbox = self._inbox = Inbox()
        recorder = self._recorder = Recorder(self._hear)
        self._upkeep = Upkeep(
            bench,
            recorder,
            settings,
            request.reread,
            request.log_fault,
            request.folders.lock,
            lambda: self._end(Ended.SETTINGS),
            lambda: self._end(Ended.STATE_LOST),
        )
        root = request.place.root
        cookie = Cookie(root, bytes(request.folders.own / "probe"))
        kind, no_events = _source_for(root, settings)
        self._source = kind(root, inbox.put_nowait, self._source_changed, cookie)
        self._probe = Probe(self._source, cookie, recorder, inbox, settings.check_interval, _utc_now)
        queue = Queue()
        meter = LoadMeter()
        self._throttle = _throttle_for(settings, meter, recorder)
        settle = Settle(settings.debounce_ms / 1000, settings.debounce_max_ms / 1000)
        self._intake = Intake(bench, settle, inbox, queue, recorder, self._source, self._probe.doubt_nowait)
        self._runner = Runner(queue, self._throttle, bench.judge, recorder, inbox, self._intake)
        self._heartbeat = Heartbeat(
            notifier,
            settings.check_interval,
            recorder,
            self._throttle,
            lambda: self._intake.drained and not self._intake.is_sweep_due,
            announces=self._source.announces,
        )
        self._healing = Healing(self._patient(), self._throttle, request.say_healed, _utc_now)
        self._service = Service(
            root,
            request.record,
            WatchReport(self._source.name, reason=no_events),
            settings,
            recorder,
            self._intake,
            queue,
            self._throttle,
            meter,
            self._heartbeat,
            self._healing,
        )

    def _patient(self) -> Patient:
        """Return what heals look at."""
        request = self._request
        return Patient(
            request.place.root,
            request.record.launcher,
            request.folders,
            request.settings,
            self._bench,
            self._recorder,
            self._inbox,
            self._intake,
            self._source,
            self._probe,
            request.socket,
            request.log_fault,
        )

    async def run(self) -> Ended:
        with self._scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_when_told)
                group.start_soon(self._end_when_orphaned)
                await group.start(self._listen)
                self._notifier.ready("checking the tree")
                group.start_soon(self._heartbeat.run)
                group.start_soon(self._source.run)
                group.start_soon(self._probe.run)
                group.start_soon(self._intake.run)
                group.start_soon(self._throttle.run)
                group.start_soon(self._runner.run)
                group.start_soon(self._upkeep.run)
                group.start_soon(self._healing.run)
                group.start_soon(self._request.pull.run, self._recorder, self._looked)
        if self._ended in ANEW:
            self._notifier.reloading()
        else:
            self._notifier.stopping()
        return self._ended

    async def _end_when_told(self) -> None:
        self._end(await self._ending.wait())

    async def _end_when_orphaned(self) -> None:
        await self._notifier.wait_orphaned()
        self._end(Ended.ORPHANED)

    async def _listen(self, task_status: TaskStatus[None]) -> None:
        await keep_listening(self._request.socket, self._service.answer, task_status=task_status)

    def _end(self, ended: Ended) -> None:
        self._ended = ended
        self._scope.cancel()

    def _hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        self._listener(event, judgements, status)
        self._heartbeat.note(event)
        if isinstance(event, SweepFinished):
            self._looked.set()
        if isinstance(event, ChangesSeen) and any(change.path in _SETTINGS for change in event.changes):
            self._upkeep.ask_nowait()

    def _source_changed(self, degraded: str | None) -> None:
        if degraded != self._recorder.status.source_fault:
            self._recorder.record(SourceChanged(degraded))
        self._inbox.put_nowait([Hint(None)])


def _source_for(root: bytes, settings: Settings) -> tuple[type[PortableSource | PollingSource], str | None]:
    """Return the kind of source, and why the tree is swept where nobody chose that."""
    if settings.source == "poll":
        return PollingSource, None
    reason = needs_sweeps(root) if settings.source == "auto" else None
    return (PortableSource if reason is None else PollingSource), reason


def _throttle_for(settings: Settings, meter: LoadMeter, recorder: Recorder) -> Throttle:
    async def sample(now: float, name: Resource | None) -> Load:
        return await anyio.to_thread.run_sync(meter.sample, now, name)

    limits = Limits(settings.resource_threshold, settings.resource_resume)
    return Throttle(limits, sample, recorder.record, _utc_now)


def _first(group: BaseExceptionGroup[StopError]) -> StopError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _utc_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
