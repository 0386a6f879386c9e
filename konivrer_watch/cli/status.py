"""``konivrer-watch status``: what the running service of a root says of itself."""

import click
import msgspec

from konivrer_watch.cli.options import environment, format_option, write_output
from konivrer_watch.cli.places import find_root, find_socket, find_state
from konivrer_watch.report.json import encode
from konivrer_watch.report.status import StatusReport, status_text, stopped, unanswered
from konivrer_watch.report.text import path_text
from konivrer_watch.system.control_client import ControlAbsent, ControlFault, Status, request

# Beyond the time the service may wait, for it to answer and for us to read.
_GRACE_SECONDS = 5.0
_LONGEST_SECONDS = 3600

_EPILOG = """\b
Examples:
  konivrer-watch status                     of the folder you are in
  konivrer-watch status --sync              wait until what was just written is judged
  konivrer-watch status --sync --findings --format json

\b
Exit codes:
  0  running and healthy
  1  running, but degraded, silent, or not in sync in time
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
    shown = path_text(bytes(root))
    socket = find_socket(find_state(root, environment()), environment())
    wait = (timeout if sync else 0) + _GRACE_SECONDS
    try:
        answer = request(socket, Status(sync=sync, findings=findings, timeout=timeout), wait)
        report = msgspec.json.decode(answer, type=StatusReport)
    except ControlAbsent:
        _show(stopped(shown), style)
        return 3
    except (ControlFault, msgspec.DecodeError) as error:
        _show(unanswered(shown, str(error)), style)
        return 1
    _show(report, style)
    return 0 if report.healthy and report.synced is not False else 1


def _show(report: StatusReport, style: str) -> None:
    write_output((encode(report) if style == "json" else status_text(report).encode()) + b"\n")
