"""One immutable ``Status``, folded from events. Everything the program says of itself is derived from it.

Instants are UTC in ISO 8601, as they are shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from konivrer_watch.core.events import (
    ChangesSeen,
    ContextRead,
    Event,
    EventsMissed,
    Fault,
    FilesJudged,
    FilesRemoved,
    HealFinished,
    LogsChecked,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    PullFinished,
    QueueDrained,
    RootChanged,
    SettingsRead,
    SourceChanged,
    Stalled,
    StoresChecked,
    SweepFinished,
    WorkPaused,
    WorkResumed,
)
from konivrer_watch.core.model import Finding, Level, Outcome, Pass, Problem, ProblemKind, Skip, Verdict
from konivrer_watch.core.pull import PullResult


class State(StrEnum):
    """What the service is doing, in a word."""

    STARTING = "starting"
    CHECKING = "checking"
    WATCHING = "watching"
    PAUSED = "paused"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPED = "stopped"


class FileState(msgspec.Struct, frozen=True):
    """The current verdicts on one file, and the keys under which they hold.

    ``told`` are the findings that were told last: those of a pass without an answer now are unknown, and not gone.
    """

    keys: Mapping[Pass, bytes]
    verdicts: Mapping[Pass, Verdict]
    told: Mapping[Pass, tuple[Finding, ...]] = {}

    @property
    def findings(self) -> Iterator[Finding]:
        """Return every pass's findings."""
        return (finding for verdict in self.verdicts.values() for finding in verdict.findings)


class Status(msgspec.Struct, frozen=True):
    """All that is known. ``as_of`` is the beginning of the last sweep whose changes have all been judged.

    ``probed`` is when the probe was last seen, ``deaf`` why the source is not trusted to tell of changes, ``missed``
    how many it did not tell of, and ``unconfirmed`` whether no sweep since then found everything announced.
    """

    files: Mapping[bytes, FileState] = {}
    skipped: tuple[Skip, ...] = ()
    faults: tuple[Fault, ...] = ()
    settings_fault: Fault | None = None
    store_faults: tuple[str, ...] = ()
    swept: str | None = None
    as_of: str | None = None
    paused: WorkPaused | None = None
    source_fault: str | None = None
    root_fault: str | None = None
    probed: str | None = None
    probe_fault: str | None = None
    deaf: str | None = None
    unconfirmed: bool = False
    missed: int = 0
    log_fault: str | None = None
    stalled: str | None = None
    healed: HealFinished | None = None
    pull: PullResult | None = None

    @property
    def degraded(self) -> str | None:
        """Why changes may come late; ``None`` where they do not."""
        return self.root_fault or self.source_fault or self.deaf

    @property
    def state(self) -> State:
        """The word for what is going on."""
        if self.stalled is not None:
            return State.FAILED
        if self.paused is not None:
            return State.PAUSED
        if self.swept is None:
            return State.STARTING
        if self.as_of is None:
            return State.CHECKING
        return State.WATCHING if self.degraded is None else State.DEGRADED

    @property
    def complete(self) -> bool:
        """Whether every file that counts was judged by every pass that applies."""
        return (
            self.as_of is not None
            and not self.faults
            and self.settings_fault is None
            and all(skip.complete for skip in self.skipped)
            and not any(self.problems)
        )

    @property
    def findings(self) -> Iterator[tuple[bytes, Finding]]:
        """Return every finding with its path, in no particular order."""
        return ((path, finding) for path, file in self.files.items() for finding in file.findings)

    @property
    def problems(self) -> Iterator[tuple[bytes, Pass | None, Problem]]:
        """Return every question without an answer, those of configurations first."""
        faults = self.faults if self.settings_fault is None else (self.settings_fault, *self.faults)
        yield from ((fault.path, fault.pass_, fault.problem) for fault in faults)
        for path, file in self.files.items():
            for pass_, verdict in file.verdicts.items():
                if verdict.problem is not None:
                    yield path, pass_, verdict.problem

    @property
    def quarantined(self) -> int:
        """How many files are set aside because an engine could not survive them."""
        return len({path for path, _, problem in self.problems if problem.kind is ProblemKind.QUARANTINED})

    def count(self) -> dict[Level, int]:
        """Count findings by level; every level is there."""
        counts = dict.fromkeys(Level, 0)
        for _, finding in self.findings:
            counts[finding.level] += 1
        return counts

    def suppressed(self) -> dict[Pass, int]:
        """Count what comments in the source silence, by pass; every pass is there."""
        counts = dict.fromkeys(Pass, 0)
        for file in self.files.values():
            for pass_, verdict in file.verdicts.items():
                counts[pass_] += verdict.suppressed
        return counts


def fold(status: Status, event: Event) -> Status:
    """Return the status after an event."""
    match event:
        case ChangesSeen():
            return status
        case FilesJudged(outcomes):
            judged = {
                outcome.path: _file_state(status.files.get(outcome.path), outcome) for outcome in outcomes
            }
            return _replace(status, files={**status.files, **judged})
        case FilesRemoved(paths):
            return _replace(status, files=_without(status.files, paths))
        case SweepFinished(at, skipped, unannounced):
            unconfirmed = status.unconfirmed and unannounced > 0
            return _replace(status, swept=at, skipped=skipped, unconfirmed=unconfirmed)
        case ContextRead(faults):
            return _replace(status, faults=faults)
        case SettingsRead(fault):
            return _replace(status, settings_fault=fault)
        case StoresChecked(faults):
            return _replace(status, store_faults=faults)
        case WorkPaused():
            return _replace(status, paused=event)
        case WorkResumed():
            return _replace(status, paused=None)
        case SourceChanged(fault):
            return _replace(status, source_fault=fault)
        case RootChanged(fault):
            return _replace(status, root_fault=fault)
        case ProbeSeen(at):
            deaf = status.deaf if status.unconfirmed else None
            return _replace(status, probed=at, probe_fault=None, deaf=deaf)
        case ProbeMissed(reason):
            return _replace(status, probe_fault=None, deaf=reason)
        case ProbeUnwritten(reason):
            return _replace(status, probe_fault=reason)
        case EventsMissed(count):
            return _replace(status, missed=status.missed + count, deaf=event.reason, unconfirmed=True)
        case LogsChecked(fault):
            return _replace(status, log_fault=fault)
        case Stalled(fault):
            return _replace(status, stalled=fault)
        case HealFinished():
            return _replace(status, healed=event)
        case PullFinished(result):
            return _replace(status, pull=result)
        case QueueDrained():
            return _replace(status, as_of=status.swept)


def _file_state(before: FileState | None, outcome: Outcome) -> FileState:
    known = {} if before is None else before.told
    told = {
        pass_: known.get(pass_, ())
        if verdict.problem is not None and not verdict.findings
        else verdict.findings
        for pass_, verdict in outcome.verdicts.items()
    }
    return FileState(outcome.keys, outcome.verdicts, told)


def _without(files: Mapping[bytes, FileState], paths: Iterable[bytes]) -> Mapping[bytes, FileState]:
    gone = frozenset(paths)
    return {path: state for path, state in files.items() if path not in gone}


_replace = msgspec.structs.replace
