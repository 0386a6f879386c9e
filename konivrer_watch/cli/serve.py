"""``konivrer-watch _serve``: watch in the background, for a supervisor. Run by ``start``, by systemd and by Docker."""

import functools
import gc
import os
import shlex
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import anyio
import anyio.to_thread
import click

from konivrer_watch.cli.log_sink import LogSink
from konivrer_watch.cli.options import environment, hush_event_loop, resolve_settings
from konivrer_watch.cli.places import find_root, find_state
from konivrer_watch.cli.voice import Voice
from konivrer_watch.cli.watch import request_for, startup_pull
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Launcher, LogFile
from konivrer_watch.core.restart import ServiceRecord, begin
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.app import watch
from konivrer_watch.daemon.ending import ANEW, Ended, Ending, heed_signals
from konivrer_watch.daemon.life import Life
from konivrer_watch.system.leash import lay_leash
from konivrer_watch.system.logs import Echo, Logs
from konivrer_watch.system.notify import Notifier, open_notifier
from konivrer_watch.system.process import die_with_parent
from konivrer_watch.system.record import boot_id, now_text, read_record

_ECHO = {Launcher.SYSTEMD: Echo.BARE, Launcher.DOCKER: Echo.STAMPED}


@click.command("_serve", hidden=True)
@click.argument("path", default=".")
@click.option(
    "--launcher",
    "kept_by",
    type=click.Choice([launcher.value for launcher in Launcher if launcher is not Launcher.TERMINAL]),
    required=True,
    help="Who keeps this process alive.",
)
def command(path: str, kept_by: str) -> int:
    """Watch PATH for a supervisor: logs instead of a terminal, signs of life, and 0 when told to end."""
    launcher = Launcher(kept_by)
    if launcher is Launcher.DIRECT:
        die_with_parent()
    os.umask(0o077)
    root, settings = _root_and_settings(path, launcher)
    folders = find_state(root, environment())
    hush_event_loop()
    gc.enable()
    logs = Logs(
        folders.own / "logs",
        max_bytes=settings.log_max_mb << 20,
        keep=settings.log_keep,
        echo=_ECHO.get(launcher, Echo.NONE),
    )
    with logs, open_notifier(launcher, environment()) as notifier:
        see_all = f"konivrer-watch status --findings {shlex.quote(str(root))}"
        voice = Voice(LogSink(logs), as_json=False, color=False, zone=None, see_all=see_all)
        body = functools.partial(_watch, root, settings, voice, logs, notifier)
        if launcher is Launcher.DIRECT:
            # The supervisor keeps the record.
            record = read_record(folders.own)
            if record is None or record.supervisor_pid != os.getppid():
                # It could not be written, as on a full disk: what lies there is an older one's.
                record = begin(None, launcher, boot_id(), now_text(), os.getppid())
            anyio.run(_heed, body, record)
        else:
            say = functools.partial(logs.put_nowait, LogFile.SERVICE)
            life = Life(folders.own, launcher, notifier, settings.check_interval, say)
            anyio.run(life.run, body)
    return 0


async def _heed(body: Callable[[ServiceRecord, Ending], Awaitable[str]], record: ServiceRecord) -> None:
    with heed_signals() as ending:
        await body(record, ending)


def _root_and_settings(path: str, launcher: Launcher) -> tuple[Path, Settings]:
    """Return the root, and the settings that logs and life need.

    Where this process keeps its own record, a fault in them ends a life that has begun: it is told and waited for.
    """
    try:
        root = find_root(path)
        return root, resolve_settings(root, {}).settings
    except UsageFault:
        if launcher is Launcher.DIRECT:
            raise
        return Path(os.path.realpath(path)), Settings()


async def _watch(
    root: Path,
    settings: Settings,
    voice: Voice,
    logs: Logs,
    notifier: Notifier,
    record: ServiceRecord,
    ending: Ending,
) -> str:
    """Watch until told to end; return why it ended."""
    why, pull = "", startup_pull(root, settings, record)
    while True:
        find_root(str(root))
        voice.begin(root, why)
        say_healed = functools.partial(logs.put_nowait, LogFile.HEAL)
        request = await anyio.to_thread.run_sync(
            request_for, root, {}, record, pull, lambda: logs.fault, say_healed
        )
        with _leash(record.launcher, request.folders.own):
            ended = await watch(request, voice.hear, notifier, ending)
        if ended not in ANEW:
            return _WORDS[ended]
        why = ANEW[ended]


def _leash(launcher: Launcher, folder: Path) -> AbstractContextManager[None]:
    """Docker's monitor is in another PID namespace: it can end us by this alone. It lies in a folder that may go."""
    return lay_leash(folder) if launcher is Launcher.DOCKER else nullcontext()


_WORDS = {
    Ended.INTERRUPTED: "SIGINT",
    Ended.TERMINATED: "SIGTERM",
    Ended.ORPHANED: "its supervisor is gone",
}
