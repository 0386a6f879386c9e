"""``konivrer-watch status``: what the running service of a root says of itself."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from konivrer_watch.cli.options import environment, format_option, write_output
from konivrer_watch.cli.places import find_root, find_sockets, find_state
from konivrer_watch.core.model import LogFile
from konivrer_watch.core.status import State
from konivrer_watch.report.commands import Commands, mended
from konivrer_watch.report.compose import project_name
from konivrer_watch.report.json import encode
from konivrer_watch.report.status import LogReport, StatusReport
from konivrer_watch.report.status_text import status_text
from konivrer_watch.report.text import path_text
from konivrer_watch.report.traces import Lock, Silence, Traces, deduce, read_lock
from konivrer_watch.report.unit import unit_name
from konivrer_watch.system.control_client import (
    ControlAbsent,
    ControlFault,
    ControlForeign,
    ControlRefused,
    ControlSilent,
    Status,
    ask,
)
from konivrer_watch.system.lease import look_at_lease
from konivrer_watch.system.record import boot_id, read_record

# Beyond the time the service may wait, for it to answer and for us to read.
_GRACE_SECONDS = 5.0
_LONGEST_SECONDS = 3600
_SYSTEM_UNITS = Path("/etc/systemd/system")
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
    root = find_root(path)
    folders = find_state(root, environment())
    wait = (timeout if sync else 0) + _GRACE_SECONDS
    commands = _commands(root, folders.own)
    try:
        answer = ask(
            find_sockets(folders, environment()), Status(sync=sync, findings=findings, timeout=timeout), wait
        )
        report = mended(msgspec.json.decode(answer, type=StatusReport), commands)
    except ControlFault as error:
        report = deduce(_traces(folders.own, commands), _SILENCES[type(error)], str(error))
    except msgspec.DecodeError as error:
        words = f"what answers is another version or program: {error}"
        report = deduce(_traces(folders.own, commands), Silence.FOREIGN, words)
    _show(msgspec.structs.replace(report, logs=_logs(folders.own / "logs")), style)
    if report.state == State.STOPPED:
        return 3
    return 0 if report.healthy and report.synced is not False else 1


def _commands(root: Path, own: Path) -> Commands:
    unit = unit_name(own.name)
    container = f"{project_name(own.name)}-watch"
    return Commands(bytes(root), unit, container, is_users=not (_SYSTEM_UNITS / unit).exists())


def _traces(own: Path, commands: Commands) -> Traces:
    return Traces(
        commands,
        boot_id(),
        datetime.now(UTC),
        read_record(own),
        _lock(own / "lock"),
        _lock(own / "supervisor.lock"),
    )


def _lock(path: Path) -> Lock | None:
    held = look_at_lease(path)
    return None if held is None else read_lock(held.holder, held.since)


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
