"""``konivrer-watch [PATH]``: watch in the foreground."""

import gc
import shlex
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import anyio
import anyio.to_thread
import click

from konivrer_watch.cli.grounds import find_place, read_packs
from konivrer_watch.cli.options import (
    environment,
    format_option,
    hush_event_loop,
    passes_option,
    resolve_settings,
)
from konivrer_watch.cli.places import find_root, find_socket, find_state
from konivrer_watch.cli.remedies import ending_command
from konivrer_watch.cli.voice import Voice
from konivrer_watch.cli.writer import Writer
from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import ServiceRecord, begin
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.app import Watch, watch
from konivrer_watch.daemon.ending import ANEW, Ended, heed_signals
from konivrer_watch.daemon.pulling import StartupPull
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.notify import open_notifier
from konivrer_watch.system.record import boot_id, now_text

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
@click.option(
    "--pull/--no-pull", default=None, help="Fast-forward to the upstream at start, where that is safe."
)
@click.option("--threshold", metavar="PERCENT", help="Wait while others use more of CPU or memory than this.")
def command(
    path: str,
    style: str,
    plain: bool,
    passes: str | None,
    source: str | None,
    pull: bool | None,
    threshold: str | None,
) -> int:
    """Watch PATH: after each change, say what came of it and what went away."""
    root = find_root(path)
    options = {"passes": passes, "source": source, "pull": pull, "resource_threshold": threshold}
    colored = not plain and style == "text" and sys.stdout.isatty() and "NO_COLOR" not in environment()
    settings = resolve_settings(root, options).settings
    record = begin(None, Launcher.TERMINAL, boot_id(), now_text())
    once = startup_pull(root, settings, record)
    hush_event_loop()
    sys.stdout.flush()
    voice = Voice(
        Writer(sys.stdout.fileno(), sys.stderr.fileno()),
        as_json=style == "json",
        color=colored,
        zone=datetime.now().astimezone().tzinfo,
        bar=not plain and style == "text" and sys.stderr.isatty(),
        see_all="konivrer-watch status --findings" + ("" if path == "." else f" {shlex.quote(path)}"),
    )
    gc.enable()
    with voice:
        voice.begin(root)
        try:
            ended = anyio.run(_watch, root, options, record, once, voice)
        except LeaseHeldError as error:
            end = ending_command(root, find_state(root, environment()), environment())
            raise LeaseHeldError(f"{error}: {end}") from None
    if voice.fault is not None and not isinstance(voice.fault, BrokenPipeError):
        raise StopError(f"standard output cannot be written: {voice.fault.strerror}; the watch has ended")
    return 130 if ended is Ended.INTERRUPTED else 0


async def _watch(
    root: Path, options: Mapping[str, object], record: ServiceRecord, pull: StartupPull, voice: Voice
) -> Ended:
    with open_notifier(Launcher.TERMINAL, environment()) as notifier, heed_signals() as ending:
        while True:
            request = await anyio.to_thread.run_sync(request_for, root, options, record, pull)
            ended = await watch(request, voice.hear, notifier, ending)
            if ended not in ANEW:
                return ended
            voice.begin(root, ANEW[ended])


def startup_pull(root: Path, settings: Settings, record: ServiceRecord) -> StartupPull:
    """Return the one pull of this process."""
    folder = find_state(root, environment()).own / "pull"
    return StartupPull(bytes(root), folder, environment(), record, wanted=settings.pull)


def request_for(
    root: Path,
    options: Mapping[str, object],
    record: ServiceRecord,
    pull: StartupPull,
    log_fault: Callable[[], str | None] = lambda: None,
    say_healed: Callable[[Severity, str], None] = lambda severity, text: None,
) -> Watch:
    """Return what to watch, by the settings as they are now with ``options`` on top. Raises ``UsageFault``."""
    folders = find_state(root, environment())
    return Watch(
        place=find_place(root, folders, environment()),
        packs=read_packs(),
        settings=resolve_settings(root, options).settings,
        folders=folders,
        socket=lambda: find_socket(folders, environment()),
        reread=lambda: resolve_settings(root, options).settings,
        record=record,
        pull=pull,
        log_fault=log_fault,
        say_healed=say_healed,
    )
