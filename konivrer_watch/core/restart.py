"""Crash history in, what to do next out: retry after a while, or say FAILED loudly and retry slowly.

This file owns every transition of a background service's record:

    begin ──► RUNNING ──crashed──► WAITING (or FAILED after too many) ──restarted──► RUNNING
                 └────stopped────► STOPPED

The record is kept on disk, so that it spans the lives of the daemon, of its supervisor, and of the machine. Instants
are UTC in ISO 8601, given by the caller.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Annotated

import msgspec

from konivrer_watch.core.model import Launcher

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait after the first, second … life in a row that ended before it was steady."""

SLOW = 300.0
"""Seconds between attempts once the service has FAILED."""

STEADY = 60.0
"""Seconds after which a life has lasted, whatever ``check_interval`` is."""

_LONGEST_REASON = 300
_OURS = "konivrer-watch: "
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Phase(StrEnum):
    """What the service is doing, as its supervisor sees it."""

    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


class ServiceRecord(msgspec.Struct, frozen=True):
    """What is remembered of a root's background service.

    ``started`` is when a person or the machine started it, ``at`` since when ``phase`` holds, ``boot`` the boot it
    belongs to; ``failures`` counts lives in a row that ended before they were ``steady``, ``restarts`` all restarts
    since ``started``; ``reason`` is what ended the last life, and ``retry_at`` when the next one begins. Whoever reads
    one refuses numbers that cannot be.
    """

    launcher: Launcher
    boot: str
    started: str
    at: str
    phase: Phase = Phase.RUNNING
    supervisor_pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    restarts: _Count = 0
    failures: _Count = 0
    steady: bool = False
    reason: str | None = None
    retry_at: str | None = None


def begin(
    previous: ServiceRecord | None, launcher: Launcher, boot: str, at: str, supervisor_pid: int | None = None
) -> ServiceRecord:
    """Return the record of a service that starts: a new one, or the old one where the last life has crashed.

    Without a supervisor of ours that saw it, a crash is told by what it left: the same launcher's record, of this
    boot, that says neither stopped nor waiting for its next life.
    """
    if previous is None or supervisor_pid is not None or previous.launcher is not launcher:
        return ServiceRecord(launcher, boot, at, at, supervisor_pid=supervisor_pid)
    if previous.boot != boot or previous.phase is Phase.STOPPED:
        return ServiceRecord(launcher, boot, at, at)
    if previous.phase is Phase.RUNNING:
        return crashed(previous, "it ended without a word (killed, out of memory, or hung)", at)
    return _waiting(previous, at)


def unended(previous: ServiceRecord | None, boot: str, pid: int) -> str | None:
    """Return what the supervisor ``pid`` has to tell of the one before: that it ended without leaving a word.

    ``None`` where it was stopped, or there was none, or it was this one.
    """
    if previous is None or previous.phase is Phase.STOPPED or previous.supervisor_pid in (None, pid):
        return None
    before = f"the supervisor before, process {previous.supervisor_pid},"
    if previous.boot != boot:
        return f"{before} was not stopped when this machine went down"
    return f"{before} ended without a word (killed, or out of memory)"


def crashed(record: ServiceRecord, reason: str, at: str) -> ServiceRecord:
    """A life ended that should not have; the next one is due after ``pause``."""
    failures = record.failures + 1
    ended = msgspec.structs.replace(
        record,
        phase=Phase.FAILED if failures > len(WAITS) else Phase.WAITING,
        failures=failures,
        steady=False,
        reason=reason,
    )
    return _waiting(ended, at)


def has_just_failed(record: ServiceRecord) -> bool:
    """Whether the last crash is the one that made the service FAILED: said loudly once, and not at each retry."""
    return record.phase is Phase.FAILED and record.failures == len(WAITS) + 1


def pause(record: ServiceRecord) -> float:
    """Return the seconds to wait before the next life."""
    match record.phase:
        case Phase.WAITING:
            # A record on disk may say anything.
            return WAITS[min(max(record.failures, 1), len(WAITS)) - 1]
        case Phase.FAILED:
            return SLOW
        case Phase.RUNNING | Phase.STOPPED:
            return 0.0


def steady_after(interval: float) -> float:
    """Return the seconds after which a life was no failed attempt, for a ``check_interval`` in seconds."""
    return min(interval, STEADY)


def restarted(record: ServiceRecord, at: str) -> ServiceRecord:
    """The next life begins; what ended the last one is still told."""
    return msgspec.structs.replace(
        record, phase=Phase.RUNNING, restarts=record.restarts + 1, retry_at=None, at=at
    )


def steadied(record: ServiceRecord) -> ServiceRecord:
    """A life has lasted: the next crash is the first of its row again."""
    return msgspec.structs.replace(record, steady=True, failures=0)


def stopped(record: ServiceRecord, at: str) -> ServiceRecord:
    """The service was told to end."""
    return msgspec.structs.replace(record, phase=Phase.STOPPED, retry_at=None, at=at)


def ending(code: int, words: str) -> str:
    """Return what ended a life, told by its exit code (negative: the signal, as ``wait`` has it) and its last words.

    A code above 128 is a shell's or a container's way to tell a signal.
    """
    number = -code if code < 0 else code - 128
    if number > 0:
        return f"killed by signal {number}"
    if code == 0:
        return "it ended without being told to"
    said = _said(words)
    return f"exit code {code}: {_joined(said)}" if said else f"exit code {code}, without a word"


def _waiting(record: ServiceRecord, at: str) -> ServiceRecord:
    """Begin to wait for the next life now."""
    due = datetime.fromisoformat(at).astimezone(UTC) + timedelta(seconds=ceil(pause(record)))
    return msgspec.structs.replace(record, at=at, retry_at=due.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _said(words: str) -> list[str]:
    """Return the lines that name faults: all of a message of ours, or the last one of a trace."""
    # Traces of several errors are framed; below a trace stands what to do with it.
    lines = [line.strip(" |+-") for line in words.splitlines()]
    said = [line for line in lines if line and not line.startswith(f"{_OURS}this is a fault of the program")]
    begin = max((place for place, line in enumerate(said) if line.startswith(_OURS)), default=-1)
    is_trace = any("Traceback (most recent call last)" in line for line in said[begin:])
    return [line.removeprefix(_OURS) for line in said[-1 if is_trace else begin :]]


def _joined(faults: list[str]) -> str:
    """Return faults on one line, the first ones where they are many."""
    text = faults[0][:_LONGEST_REASON]
    for number, fault in enumerate(faults[1:], 1):
        if len(text) + len(fault) > _LONGEST_REASON:
            return f"{text}; and {len(faults) - number} more"
        text += f"; {fault}"
    return text
