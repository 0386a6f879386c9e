"""``konivrer-watch status``: what the running service of a root says of itself."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from konivrer_watch.cli.options import environment, format_option, write_output
from konivrer_watch.cli.places import find_known_root, find_sockets, find_state
from konivrer_watch.cli.remedies import find_commands
from konivrer_watch.cli.state_fault import state_fault
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import LogFile
from konivrer_watch.core.status import State
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.commands import Commands, mended, parted, unguarded
from konivrer_watch.report.json import encode
from konivrer_watch.report.status import LogReport, StatusReport
from konivrer_watch.report.status_text import status_text
from konivrer_watch.report.text import path_text
from konivrer_watch.report.traces import Lock, Silence, Traces, deduce, read_lock
from konivrer_watch.system.control_client import (
    ControlAbsent,
    ControlFault,
    ControlForeign,
    ControlRefused,
    ControlSilent,
    Status,
    ask,
)
from konivrer_watch.system.handle import has_open
from konivrer_watch.system.holders import find_holder, is_suspended
from konivrer_watch.system.lease import look_at_lease
from konivrer_watch.system.record import boot_id, read_record

# Beyond the time the service may wait, for it to answer and for us to read.
_GRACE_SECONDS = 5.0
_LONGEST_SECONDS = 3600
_SILENCES = {
    ControlAbsent: Silence.ABSENT,
    ControlSilent: Silence.SILENT,
    ControlRefused: Silence.REFUSED,
    ControlForeign: Silence.FOREIGN,
}

_EPILOG = """\b
Examples:
  konivrer-watch status                     of the folder you are in
  konivrer-watch status --sync              wait until what was just written is judged
  konivrer-watch status --sync --findings --format json

\b
Exit codes:
  0  running and healthy
  1  running, but starting again, degraded, failed, hung, or not in sync in time
  2  wrong usage
  3  not running
"""


@click.command("status", epilog=_EPILOG, short_help="How the service of PATH is.")
@click.argument("path", default=".")
@format_option("text", "json")
@click.option("--sync", is_flag=True, help="Wait until everything written before is in the answer.")
@click.option(
    "--timeout", metavar="SECONDS", default=60.0, show_default=True, help="How long to wait with --sync."
)
@click.option("--findings", is_flag=True, help="Add the findings themselves.")
def command(path: str, style: str, sync: bool, timeout: float, findings: bool) -> int:
    """Ask the service that watches PATH how it is."""
    if not 0 <= timeout <= _LONGEST_SECONDS:
        raise click.BadParameter(f"must lie between 0 and {_LONGEST_SECONDS} seconds", param_hint="--timeout")
    root = find_known_root(path, environment())
    folders = find_state(root, environment())
    wait = (timeout if sync else 0) + _GRACE_SECONDS
    commands = find_commands(root, folders.own, environment())
    try:
        answer = ask(
            find_sockets(folders, environment()), Status(sync=sync, findings=findings, timeout=timeout), wait
        )
        report = mended(msgspec.json.decode(answer, type=StatusReport), commands)
        report = _watched_over(report, folders)
    except ControlFault as error:
        report = _deduced(root, folders, commands, _SILENCES[type(error)], str(error))
    except msgspec.DecodeError as error:
        words = f"what answers is another version or program: {error}"
        report = _deduced(root, folders, commands, Silence.FOREIGN, words)
    if not (os.path.isdir(root) and os.access(root, os.R_OK | os.X_OK)):
        report = parted(report, commands)
    _show(msgspec.structs.replace(report, logs=_logs(folders.own / "logs")), style)
    if report.state == State.STOPPED:
        return 3
    return 0 if report.healthy and report.synced is not False else 1


def _watched_over(report: StatusReport, folders: StateFolders) -> StatusReport:
    """Say where a service that answers has a supervisor that cannot act."""
    pid = report.supervisor_pid
    if pid is None or has_open(pid, folders.supervisor_lock) is False or not is_suspended(pid):
        return report
    return unguarded(report, pid)


def _deduced(
    root: Path, folders: StateFolders, commands: Commands, silence: Silence, words: str
) -> StatusReport:
    """Say how a service is that gives no answer, and whether that is for want of a state folder."""
    traces = Traces(
        commands,
        boot_id(),
        datetime.now(UTC),
        read_record(folders.own),
        _lock(folders.lock),
        _lock(folders.supervisor_lock),
        _watched_above(root),
    )
    report = deduce(traces, silence, words)
    fault = state_fault(folders)
    if fault is None or silence in (Silence.SILENT, Silence.FOREIGN):
        return report
    unseen = "; whether a service runs is not to be seen" if fault.is_blind and report.pid is None else ""
    state = State.FAILED if fault.is_blind else report.state
    return msgspec.structs.replace(report, state=state, reason=fault.reason + unseen, mend=fault.remedy)


def _lock(path: Path) -> Lock | None:
    held = look_at_lease(path)
    lock = None if held is None else read_lock(held.holder, held.since)
    if lock is None or lock.pid is None:
        holder = find_holder(path)
        if holder is not None:
            lock = msgspec.structs.replace(
                read_lock(holder.held.holder, holder.held.since),
                pid=holder.pid,
                is_removed=holder.is_removed,
            )
    if lock is None or lock.pid is None or has_open(lock.pid, path) is False:
        return lock
    return msgspec.structs.replace(lock, is_suspended=is_suspended(lock.pid))


def _watched_above(root: Path) -> bytes | None:
    """Return the nearest folder above that somebody watches."""
    for folder in root.parents:
        with suppress(UsageFault):
            state = find_state(folder, environment())
            if look_at_lease(state.lock) or look_at_lease(state.supervisor_lock):
                return bytes(folder)
    return None


def _logs(folder: Path) -> list[LogReport]:
    """Return the logs that are there; a service that is silent has left them all the same."""
    found: list[LogReport] = []
    for name in LogFile:
        with suppress(OSError):
            status = (folder / name).stat()
            modified = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            found.append(LogReport(path_text(bytes(folder / name)), status.st_size, modified))
    return found


def _show(report: StatusReport, style: str) -> None:
    shown = encode(report) if style == "json" else status_text(report, datetime.now(UTC)).encode()
    write_output(shown + b"\n")
