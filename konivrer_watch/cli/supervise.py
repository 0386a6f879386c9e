"""``konivrer-watch _supervise``: keep the daemon of PATH alive. Run by ``start``, and by launchd."""

import functools
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import click

from konivrer_watch.cli.options import environment, resolve_settings
from konivrer_watch.cli.places import STATE_VARIABLE, find_root, find_state
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.core.model import LogFile
from konivrer_watch.daemon.supervision import supervise
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
    with Logs(folders.own / "logs", max_bytes=settings.log_max_mb << 20, keep=settings.log_keep) as logs:
        say = functools.partial(logs.put_nowait, LogFile.SERVICE)
        try:
            anyio.run(supervise, root, folders.own, inherited, _interval(root, settings.check_interval), say)
        except StopError as error:
            say(Severity.ERROR, f"the supervisor ended: {error}")
            raise
    return 0


def _interval(root: Path, first: float) -> Callable[[], float]:
    """Return what tells ``check_interval`` as it is set now; while the settings are at fault, as it was before."""
    last = first

    def interval() -> float:
        nonlocal last
        # The daemon names every fault; it cannot start with them either.
        with suppress(UsageFault):
            last = resolve_settings(root, {}).settings.check_interval
        return last

    return interval
