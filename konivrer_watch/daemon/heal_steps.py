"""The steps of a heal in a running watcher, in their order: what the later ones rely on comes first."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from konivrer_watch.core.model import Launcher, Pass, ProblemKind
from konivrer_watch.core.schedule import Instant
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.heal_house import disk_step, leftovers_step, logs_step, store_step
from konivrer_watch.daemon.heal_judging import quarantine_step, verdicts_step
from konivrer_watch.daemon.heal_tree import tree_step
from konivrer_watch.daemon.heal_watching import clock_step, watch_step, watches_step, workers_step
from konivrer_watch.daemon.healer import Rejudge, Step
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.probe import Probe, Source
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.workbench import Workbench


class Patient(msgspec.Struct, frozen=True):
    """A running watcher, as its heal sees it.

    ``socket`` returns where its control socket belongs, ``log_fault`` why nothing can be logged.
    """

    root: bytes
    launcher: Launcher
    folders: StateFolders
    settings: Settings
    bench: Workbench
    recorder: Recorder
    inbox: Inbox
    intake: Intake
    source: Source
    probe: Probe
    socket: Callable[[], Path]
    log_fault: Callable[[], str | None]


def steps_of(
    patient: Patient, rejudge: Rejudge, look_at_everything: Callable[[], None], clock: Callable[[], Instant]
) -> list[Step]:
    """Return every step that applies.

    ``rejudge`` has files judged once more, ``look_at_everything`` the tree swept and the source put to the test.
    """
    folders, settings, bench = patient.folders, patient.settings, patient.bench
    recorder = patient.recorder
    logs = logs_step(folders.own / "logs", settings.log_keep, patient.log_fault)
    return [
        clock_step(clock, look_at_everything),
        disk_step(folders),
        # A terminal's watcher has no logs.
        *([] if patient.launcher is Launcher.TERMINAL else [logs]),
        leftovers_step(patient.root, folders, lambda: _sockets(patient), settings.check_interval),
        store_step(bench),
        workers_step(bench.workers, settings.memory_max),
        watches_step(),
        watch_step(patient.source, lambda: recorder.status, patient.probe.ask_nowait),
        tree_step(patient.root, bench, rejudge),
        verdicts_step(bench, rejudge, lambda: recorder.status.files),
        quarantine_step(bench, lambda: _quarantined(recorder.status), rejudge),
    ]


def _sockets(patient: Patient) -> tuple[Path, ...]:
    """Where a socket may lie: in the state folder, and, beside that of each other root, in the runtime folder."""
    own, current = patient.folders.own / "control.sock", patient.socket()
    if current.parent == own.parent:
        return (own,)
    try:
        others = [folder / current.name for folder in current.parent.parent.iterdir()]
    except OSError:
        others = []
    return (own, current, *others)


def _quarantined(status: Status) -> Mapping[bytes, Collection[Pass]]:
    found = {
        path: [
            pass_
            for pass_, verdict in file.verdicts.items()
            if verdict.problem is not None and verdict.problem.kind is ProblemKind.QUARANTINED
        ]
        for path, file in status.files.items()
    }
    return {path: passes for path, passes in found.items() if passes}
