"""``konivrer-watch _monitor``: end the service of PATH when it hangs. Run by compose.yaml in a container of its own."""

import functools
import signal

import click

from konivrer_watch.cli.options import environment, resolve_settings
from konivrer_watch.cli.places import find_root, find_sockets, find_state
from konivrer_watch.core.model import LogFile
from konivrer_watch.daemon.monitor import Monitor, look_at
from konivrer_watch.system.logs import Echo, Logs, Severity

_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


@click.command("_monitor", hidden=True)
@click.argument("path", default=".")
def command(path: str) -> int:
    """Ask the service of PATH each check_interval how it is; one that hangs is killed, and started again by Docker."""
    # Blocked before the first thread starts, they wait until they are asked for.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    root = find_root(path)
    settings = resolve_settings(root, {}).settings
    folders = find_state(root, environment())
    logs = Logs(
        folders.own / "logs", max_bytes=settings.log_max_mb << 20, keep=settings.log_keep, echo=Echo.STAMPED
    )
    say = functools.partial(logs.put_nowait, LogFile.SERVICE)
    look = functools.partial(look_at, find_sockets(folders, environment()), folders.own)
    monitor = Monitor(folders.own, look, say, settings.check_interval)
    with logs:
        say(Severity.INFO, f"monitor: started, looks each {settings.check_interval:g} s")
        while signal.sigtimedwait(_ENDING, monitor.turn()) is None:
            pass
        say(Severity.INFO, "monitor: stopped")
    return 0
