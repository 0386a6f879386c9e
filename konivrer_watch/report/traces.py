"""What a service that gives no answer has left behind, and how it is by that. Pure.

===========  =============  ============  ================  ============================================
who listens  daemon's lock  supervisor's  record            state
===========  =============  ============  ================  ============================================
somebody     any            any           any               failed: hung, another user's or version
nobody       removed        or removed    any               starting: it begins anew
nobody       held           any           any               starting; after a while failed: no socket
nobody       free           held          waiting, failed   starting, or failed: between two lives
nobody       free           held          running, none     starting; after a while failed
nobody       free           free          none, stopped     stopped; or watched by a folder above
nobody       free           free          of another boot   stopped: not started since
nobody       free           free          waiting, failed   as above where systemd or Docker waits
nobody       free           free          any other         stopped: killed
===========  =============  ============  ================  ============================================
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from konivrer_watch.core.holder import read_holder
from konivrer_watch.core.model import Launcher, Level, LogFile
from konivrer_watch.core.restart import Phase, ServiceRecord
from konivrer_watch.core.status import State
from konivrer_watch.report.commands import Commands
from konivrer_watch.report.instants import instant, parse
from konivrer_watch.report.status import StatusReport
from konivrer_watch.report.text import path_text

_STARTING = timedelta(seconds=30)
"""How long a life may take until it listens."""

_LATE = timedelta(seconds=5)
"""How long after its time an attempt may be announced still."""


class Silence(StrEnum):
    """How no answer came: nobody listens, somebody says nothing, will not, or is not understood."""

    ABSENT = "absent"
    SILENT = "silent"
    REFUSED = "refused"
    FOREIGN = "foreign"


class Lock(msgspec.Struct, frozen=True):
    """A lock that is held, and what is known of its holder.

    ``is_suspended``: SIGSTOP has stopped the process ``pid``. ``is_removed``: the lock's file is gone.
    """

    pid: int | None
    launcher: Launcher | None
    since: datetime
    is_suspended: bool = False
    is_removed: bool = False


class Traces(msgspec.Struct, frozen=True):
    """What is found at ``now``, in the boot named ``boot``: a record, and who holds the two locks.

    ``above`` is a folder above this one that is watched.
    """

    commands: Commands
    boot: str
    now: datetime
    record: ServiceRecord | None = None
    daemon: Lock | None = None
    supervisor: Lock | None = None
    above: bytes | None = None


def read_lock(holder: str, since: float) -> Lock:
    """Return what a lock's text (core/holder), which may be anything, and its time say."""
    told, at = read_holder(holder), datetime.fromtimestamp(since, UTC)
    return Lock(None, None, at) if told is None else Lock(told.pid, told.launcher, at)


def deduce(traces: Traces, silence: Silence, words: str) -> StatusReport:
    """Return how a service is that gave no answer; ``words`` say how it gave none."""
    if silence is Silence.REFUSED:
        # Not ours to mend: another user's, or more questions than it takes.
        return _report(traces, State.FAILED, words)
    if silence is Silence.FOREIGN:
        mend = traces.commands.restart(_launcher(traces), _pid(traces), hangs=False)
        return _report(traces, State.FAILED, words, mend)
    if silence is Silence.SILENT:
        return _hung(traces)
    if any(lock is not None and lock.is_removed for lock in (traces.daemon, traces.supervisor)):
        return _report(traces, State.STARTING, "its state folder was removed: it begins anew within seconds")
    if traces.daemon is not None:
        return _unheard(traces, traces.daemon)
    if traces.supervisor is not None:
        return _supervised(traces, traces.supervisor)
    return _abandoned(traces)


def _hung(traces: Traces) -> StatusReport:
    launcher, supervisor = _launcher(traces), traces.supervisor
    if supervisor is not None and supervisor.is_suspended:
        pids = " ".join([str(pid) for pid in (_supervisor_pid(traces), _pid(traces)) if pid is not None])
        reason = f"hung: {_process(traces.daemon)} does not answer, and its supervisor is stopped (SIGSTOP)"
        return _report(traces, State.FAILED, reason, f"kill -CONT {pids}")
    rescue: Mapping[Launcher | None, str] = {
        Launcher.DIRECT: "its supervisor ends and restarts it once it was silent for check_interval"
        if supervisor
        else "its supervisor is gone as well",
        Launcher.SYSTEMD: "systemd restarts it once it was silent for check_interval",
        Launcher.DOCKER: "the monitor restarts it once it was silent for check_interval",
    }
    saved = rescue.get(launcher, "nobody restarts it: it runs in a terminal")
    reason = f"hung: {_process(traces.daemon)} listens and does not answer; {saved}"
    return _report(traces, State.FAILED, reason, traces.commands.restart(launcher, _pid(traces), hangs=True))


def _unheard(traces: Traces, daemon: Lock) -> StatusReport:
    """It holds its lock, and no socket is where it should be."""
    if traces.now - daemon.since < _STARTING:
        return _report(traces, State.STARTING, f"{_process(daemon)} has just begun and does not answer yet")
    reason = (
        f"{_process(daemon)} watches, but its control socket is gone or elsewhere (was XDG_RUNTIME_DIR "
        "another when it was started?)"
    )
    mend = traces.commands.restart(_launcher(traces), daemon.pid, hangs=False)
    return _report(traces, State.FAILED, reason, mend)


def _supervised(traces: Traces, supervisor: Lock) -> StatusReport:
    """Our supervisor is there, and no service."""
    if supervisor.is_suspended:
        reason = "its supervisor is stopped (SIGSTOP), and the service does not run"
        return _report(traces, State.FAILED, reason, f"kill -CONT {_supervisor_pid(traces)}")
    record = traces.record
    since = supervisor.since if record is None else parse(record.at) or supervisor.since
    match None if record is None else record.phase:
        case Phase.WAITING | Phase.FAILED if record is not None:
            return _between_lives(traces, record)
        case Phase.STOPPED:
            return _report(traces, State.STOPPED, "it is being ended; its supervisor is still there")
        case _ if traces.now - max(since, supervisor.since) < _STARTING:
            return _report(traces, State.STARTING, "its supervisor is starting it")
    reason = "its supervisor runs, but the service does not"
    return _report(traces, State.FAILED, reason, traces.commands.restart(Launcher.DIRECT, None, hangs=False))


def _between_lives(traces: Traces, record: ServiceRecord) -> StatusReport:
    often = "crashed" if record.failures == 1 else f"crashed {record.failures} times in a row, the last time"
    when = "is near" if record.retry_at is None else f"is at {instant(record.retry_at, traces.now)}"
    reason = f"{often}: {record.reason or 'it did not say why'}; the next attempt {when}"
    logs = traces.commands.logs(LogFile.SERVICE)
    if record.phase is Phase.WAITING:
        return _report(traces, State.STARTING, reason, logs)
    mend = traces.commands.restart(record.launcher, None, hangs=False)
    return _report(traces, State.FAILED, f"FAILED: it {reason}; correct the cause first", mend)


def _abandoned(traces: Traces) -> StatusReport:
    """No process of ours is there."""
    record, commands = traces.record, traces.commands
    if traces.above is not None and (record is None or record.phase is Phase.STOPPED):
        reason = f"no service watches this folder by itself; {path_text(traces.above)} above it is watched"
        return _report(traces, State.STOPPED, reason, commands.status(traces.above))
    if record is None:
        return _report(traces, State.STOPPED, "no service watches this folder", commands.start(None))
    if record.phase is Phase.STOPPED:
        # By whom is not known: a shutdown ends it like stop does.
        since = "" if record.boot == traces.boot else "; not started since this machine booted"
        reason = f"stopped at {instant(record.at, traces.now)}{since}"
        return _report(traces, State.STOPPED, reason, commands.start(record.launcher))
    if record.boot != traces.boot:
        reason = "not started since this machine booted"
        return _report(traces, State.STOPPED, reason, commands.start(record.launcher))
    if record.launcher is Launcher.DIRECT:
        before = (
            f"; the service had ended before: {record.reason}" if record.phase is not Phase.RUNNING else ""
        )
        reason = f"its supervisor (process {record.supervisor_pid}) was killed{before}"
        return _report(traces, State.STOPPED, reason, commands.start(record.launcher))
    if record.phase is not Phase.RUNNING and _is_backing_off(record, traces.now):
        return _between_lives(traces, record)
    if record.launcher is Launcher.SYSTEMD and not commands.is_installed:
        reason = "it ended without a word, and its systemd unit is not installed any more"
        return _report(traces, State.STOPPED, reason, commands.start(None))
    keeper = "Docker" if record.launcher is Launcher.DOCKER else "systemd"
    reason = f"it ended without a word; {keeper} starts it again unless it was told not to"
    return _report(traces, State.STOPPED, reason, commands.look(record.launcher))


def _is_backing_off(record: ServiceRecord, now: datetime) -> bool:
    """Under systemd and Docker it waits for its next attempt by itself, and holds no lock meanwhile."""
    due = parse(record.retry_at or record.at)
    return due is not None and now < due + (_LATE if record.retry_at else _STARTING)


def _report(traces: Traces, state: State, reason: str, mend: str | None = None) -> StatusReport:
    record, daemon = traces.record, traces.daemon
    if record is not None and daemon is not None and daemon.launcher not in (None, record.launcher):
        # A watcher in a terminal keeps no record; what lies there is of the service that ran before it.
        record = None
    report = StatusReport(
        root=path_text(traces.commands.root),
        state=state,
        healthy=False,
        reason=reason,
        pid=_pid(traces),
        supervisor_pid=_supervisor_pid(traces),
        launcher=_launcher(traces),
        uptime_s=0 if daemon is None else max(round((traces.now - daemon.since).total_seconds()), 0),
        findings=dict.fromkeys(Level, 0),
        mend=mend,
    )
    if record is None:
        return report
    return msgspec.structs.replace(
        report, started=record.started, restarts=record.restarts, restart_reason=record.reason
    )


def _launcher(traces: Traces) -> Launcher | None:
    if traces.daemon is not None and traces.daemon.launcher is not None:
        return traces.daemon.launcher
    if traces.supervisor is not None:
        return Launcher.DIRECT
    return None if traces.record is None else traces.record.launcher


def _pid(traces: Traces) -> int | None:
    return None if traces.daemon is None else traces.daemon.pid


def _supervisor_pid(traces: Traces) -> int | None:
    if traces.supervisor is None:
        return None
    return traces.supervisor.pid or (traces.record.supervisor_pid if traces.record else None)


def _process(lock: Lock | None) -> str:
    if lock is None or lock.pid is None:
        return "its process"
    return f"process {lock.pid}" + (" of its container" if lock.launcher is Launcher.DOCKER else "")
