"""``konivrer-watch _supervise``: keep the daemon of PATH alive. Run by ``start``, and by launchd."""

import functools
import gc
import os

import anyio
import click

from konivrer_watch.cli.options import environment, resolve_settings
from konivrer_watch.cli.places import STATE_VARIABLE, find_root, find_state
from konivrer_watch.core.errors import StopError
from konivrer_watch.core.model import LogFile
from konivrer_watch.daemon.supervision import Interval, supervise
from konivrer_watch.system.logs import Logs, Severity


@click.command("_supervise", hidden=True)
@click.argument("path", default=".")
def command(path: str) -> int:
    """Keep the daemon of PATH alive until told to end."""
    os.umask(0o077)
    # Short commands do without; this one runs for a year.
    gc.enable()
    root = find_root(path)
    settings = resolve_settings(root, {}).settings
    folders = find_state(root, environment())
    # The daemon runs in another folder than we may: a relative state folder would be another one there.
    inherited = {**environment(), STATE_VARIABLE: str(folders.shared)}
    interval = Interval(settings.check_interval, lambda: resolve_settings(root, {}).settings.check_interval)
    with Logs(folders.own / "logs", max_bytes=settings.log_max_mb << 20, keep=settings.log_keep) as logs:
        say = functools.partial(logs.put_nowait, LogFile.SERVICE)
        try:
            anyio.run(supervise, root, folders, inherited, interval, say)
        except StopError as error:
            say(Severity.ERROR, f"the supervisor ended: {error}")
            raise
    return 0
