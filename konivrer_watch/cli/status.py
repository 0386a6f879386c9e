"""``konivrer-watch status``: what the running service of a root says of itself."""

import click
import msgspec

from konivrer_watch.cli.options import environment, format_option
from konivrer_watch.cli.places import find_root, find_socket, find_state
from konivrer_watch.report.json import encode
from konivrer_watch.report.status import StatusReport, status_text, stopped
from konivrer_watch.report.text import path_text
from konivrer_watch.system.control_client import ControlAbsent, ControlFault, Status, request

# Beyond the time the service may wait, for it to answer and for us to read.
_GRACE_SECONDS = 5.0

_EPILOG = """\b
Examples:
  konivrer-watch status                     of the folder you are in
  konivrer-watch status --sync              wait until what was just written is judged
  konivrer-watch status --sync --findings --format json

Exit code 0: running and healthy. 1: running, but degraded, silent, or not in sync in time. 3: not running.
"""


@click.command("status", epilog=_EPILOG, short_help="How the service of PATH is.")
@click.argument("path", default=".")
@format_option("text", "json")
@click.option("--sync", is_flag=True, help="Wait until everything written before is in the answer.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait with --sync.")
@click.option("--findings", is_flag=True, help="Add the findings themselves.")
def command(path: str, style: str, sync: bool, timeout: float, findings: bool) -> int:
    """Ask the service that watches PATH how it is."""
    root = find_root(path)
    socket = find_socket(find_state(root, environment()), environment())
    wait = (timeout if sync else 0) + _GRACE_SECONDS
    try:
        answer = request(socket, Status(sync=sync, findings=findings, timeout=timeout), wait)
    except ControlAbsent:
        _show(stopped(path_text(bytes(root))), style)
        return 3
    except ControlFault as error:
        click.echo(f"konivrer-watch: {error}", err=True)
        return 1
    report = msgspec.json.decode(answer, type=StatusReport)
    if style == "json":
        click.echo(answer.decode())
    else:
        _show(report, style)
    return 0 if report.healthy and report.synced is not False else 1


def _show(report: StatusReport, style: str) -> None:
    click.echo(encode(report).decode() if style == "json" else status_text(report))
