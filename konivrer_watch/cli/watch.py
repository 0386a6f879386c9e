"""``konivrer-watch [PATH]``: watch in the foreground."""

import gc
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import click

from konivrer_watch.cli.options import (
    environment,
    format_option,
    hush_event_loop,
    passes_option,
    resolve_settings,
)
from konivrer_watch.cli.places import find_place, find_root, find_socket, find_state, read_packs
from konivrer_watch.cli.voice import Voice
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.app import Ended, Watch, watch

_EPILOG = """\b
Examples:
  konivrer-watch                            watch the folder you are in
  konivrer-watch ~/src/app --pass lint,security
  konivrer-watch --format json . | jq -c 'select(.event == "verdict")'
  konivrer-watch status --sync              in another terminal: what holds right now

\b
Exit codes:
  0    ended by SIGTERM, as services are, or because the reader of its output went away
  2    wrong usage or configuration, or PATH is watched already
  70   the program itself failed
  130  ended by Ctrl-C
"""

_ANEW = {
    Ended.SETTINGS: "the settings changed",
    Ended.STATE_LOST: "the state folder was removed",
}


@click.command("watch", epilog=_EPILOG, short_help="Watch PATH in the foreground (also without its name).")
@click.argument("path", default=".")
@format_option("text", "json")
@click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
@passes_option
@click.option(
    "--source",
    metavar="SOURCE",
    help="auto, watchfiles or poll: how changes are noticed.",
)
@click.option("--threshold", metavar="PERCENT", help="Wait while others use more of CPU or memory than this.")
def command(
    path: str, style: str, plain: bool, passes: str | None, source: str | None, threshold: str | None
) -> int:
    """Watch PATH: after each change, say what came of it and what went away."""
    root = find_root(path)
    options = {"passes": passes, "source": source, "resource_threshold": threshold}
    colored = not plain and style == "text" and sys.stdout.isatty() and "NO_COLOR" not in environment()
    settings = _settings(root, options)
    hush_event_loop()
    sys.stdout.flush()
    voice = Voice(
        sys.stdout.fileno(),
        as_json=style == "json",
        color=colored,
        bar=not plain and style == "text" and sys.stderr.isatty(),
        see_all="konivrer-watch status --findings" + ("" if path == "." else f" {shlex.quote(path)}"),
    )
    gc.enable()
    with voice:
        voice.begin(root)
        while (ended := anyio.run(watch, _request(root, settings, options), voice.hear)) in _ANEW:
            voice.begin(root, _ANEW[ended])
            settings = _settings(root, options)
    if voice.fault is not None and not isinstance(voice.fault, BrokenPipeError):
        raise StopError(f"standard output cannot be written: {voice.fault.strerror}; the watch has ended")
    return 130 if ended is Ended.INTERRUPTED else 0


def _settings(root: Path, options: Mapping[str, object]) -> Settings:
    settings = resolve_settings(root, options).settings
    if settings.source == "inotify":
        raise UsageFault('source = "inotify" is not there yet in this version; use auto, watchfiles or poll')
    return settings


def _request(root: Path, settings: Settings, options: Mapping[str, object]) -> Watch:
    folders = find_state(root, environment())
    return Watch(
        place=find_place(root, folders, environment()),
        packs=read_packs(),
        settings=settings,
        folders=folders,
        socket=find_socket(folders, environment()),
        reread=lambda: _settings(root, options),
    )
