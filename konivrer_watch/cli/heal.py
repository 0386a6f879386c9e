"""``konivrer-watch heal``: one heal now, in the running service or alone."""

import functools
from pathlib import Path

import anyio
import click
import msgspec

from konivrer_watch.cli.grounds import find_place, read_packs
from konivrer_watch.cli.options import (
    environment,
    format_option,
    hush_event_loop,
    resolve_settings,
    write_output,
)
from konivrer_watch.cli.places import find_root, find_sockets, find_state
from konivrer_watch.core.errors import LeaseHeldError
from konivrer_watch.core.model import LogFile
from konivrer_watch.daemon.heal_alone import AloneRequest, heal_alone
from konivrer_watch.daemon.healer import tell
from konivrer_watch.report.heal import HealJson, heal_json, heal_text
from konivrer_watch.report.json import encode
from konivrer_watch.report.text import escape
from konivrer_watch.system.control_client import ControlAbsent, ControlFault, ControlForeign, Heal, ask
from konivrer_watch.system.logs import Logs

# The service's steps have deadlines, which together are shorter.
_PATIENCE_SECONDS = 600.0

_EPILOG = """\b
Examples:
  konivrer-watch heal                       of the folder you are in
  konivrer-watch heal --format json ~/src/shop

\b
Exit codes:
  0  nothing is left that is wrong
  1  something could not be mended; it is named, with the reason
  2  wrong usage or configuration
  3  no heal is possible: no answer, or another process is at work on PATH
"""


@click.command("heal", epilog=_EPILOG, short_help="One heal now, in the service of PATH or without one.")
@click.argument("path", default=".")
@format_option("text", "json")
def command(path: str, style: str) -> int:
    """Look for what is wrong with the watcher of PATH and its memory, and mend it.

    The service of PATH does that each hour by itself. Nothing of yours is changed.
    """
    root = find_root(path)
    try:
        heal = _heal(root)
    except (ControlFault, LeaseHeldError) as error:
        click.echo(f"konivrer-watch: no heal: {escape(str(error))}", err=True)
        return 3
    shown = encode(heal) if style == "json" else heal_text(heal).encode()
    write_output(shown + b"\n")
    return 0 if heal.found == heal.mended else 1


def _heal(root: Path) -> HealJson:
    sockets = find_sockets(find_state(root, environment()), environment())
    try:
        return msgspec.json.decode(ask(sockets, Heal(), _PATIENCE_SECONDS), type=HealJson)
    except msgspec.DecodeError as error:
        raise ControlForeign(f"what answers is another version or program: {error}") from error
    except ControlAbsent:
        return msgspec.json.decode(_alone(root, sockets), type=HealJson)


def _alone(root: Path, sockets: tuple[Path, ...]) -> bytes:
    folders = find_state(root, environment())
    settings = resolve_settings(root, {}).settings
    place = find_place(root, folders, environment())
    hush_event_loop()
    heal = anyio.run(heal_alone, AloneRequest(place, read_packs(), settings, folders, sockets))
    logs = Logs(folders.own / "logs", max_bytes=settings.log_max_mb << 20, keep=settings.log_keep)
    with logs:
        tell(heal, functools.partial(logs.put_nowait, LogFile.HEAL))
    return heal_json(place.root, heal)
