"""``konivrer-watch stop``: end the background service that ``start`` began."""

import signal
import time
from contextlib import suppress
from pathlib import Path

import click

from konivrer_watch.cli.occupant import Occupant, demand_sight, find_occupant, find_spawned
from konivrer_watch.cli.options import environment, write_output
from konivrer_watch.cli.places import find_known_root, find_state
from konivrer_watch.cli.remedies import find_commands
from konivrer_watch.cli.state_fault import demand_own
from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.core.model import Launcher
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.text import escape, path_text
from konivrer_watch.system.handle import Handle
from konivrer_watch.system.strays import descendants

# The supervisor ends a daemon that does not end by itself after 10 s, and gives the rest as long as it takes to kill.
_GRACE_SECONDS = 16.0
_KILL_SECONDS = 5.0
# For a daemon whose supervisor was killed to notice, and for a supervisor to have written who it is.
_SETTLE_SECONDS = 3.0
_POLL_SECONDS = 0.05

_EPILOG = """\b
Examples:
  konivrer-watch stop                       the service of the folder you are in
  konivrer-watch stop ~/src/app

\b
Exit codes:
  0   nothing of it runs any more, or nothing ran
  2   wrong usage, or systemd, Docker or a terminal runs it: what ends it is named
  70  it could not be ended
"""


@click.command("stop", epilog=_EPILOG, short_help="End the background service of PATH.")
@click.argument("path", default=".")
def command(path: str) -> int:
    """End the background service of PATH, and return when no process of it is left."""
    root = find_known_root(path, environment())
    ended = end_service(root, find_state(root, environment()))
    write_output(f"{escape(path_text(bytes(root)))}: {'stopped' if ended else 'nothing ran'}\n".encode())
    return 0


def end_service(root: Path, folders: StateFolders, *, anew: bool = False) -> bool:
    """End the service that ``start`` began; return whether there was one. ``anew``: it is to be started again.

    Raises ``LeaseHeldError`` where somebody else runs it, ``StopError`` where it cannot be ended, or not be seen, or
    is another user's.
    """
    demand_own(folders)
    ended: set[int] = set()
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (occupant := find_occupant(folders) or find_spawned(root, folders)) is not None:
        if occupant.launcher not in (Launcher.DIRECT, None):
            if ended:
                break
            raise LeaseHeldError(_others(root, folders, occupant, anew=anew))
        is_late = time.monotonic() > deadline
        # A daemon without a supervisor is about to end by itself. A second supervisor is somebody's doing.
        is_due = not ended if occupant.is_supervised else is_late and occupant.launcher is Launcher.DIRECT
        if occupant.pid is not None and occupant.pid not in ended and is_due:
            _end(occupant.pid)
            ended.add(occupant.pid)
            deadline = time.monotonic() + _SETTLE_SECONDS
        elif is_late and ended:
            raise StopError(
                f"{root}: it was ended, and {occupant.holder} has it now: something starts it again"
            )
        elif is_late:
            raise StopError(f"{root}: {occupant.holder} has it, and cannot be found; end that one by hand")
        else:
            time.sleep(_POLL_SECONDS)
    if not ended:
        demand_sight(folders)
    return bool(ended)


def _end(pid: int) -> None:
    """End a process and all below it, gently first; return when none is left. Raises ``StopError``."""
    with suppress(ProcessLookupError), Handle(pid) as process:
        try:
            process.terminate()
        except PermissionError:
            raise StopError(
                f"process {pid} belongs to another user; stop it as that one, or as root"
            ) from None
        # A supervisor has ended and reaped everything below it before it ends itself.
        if process.wait(_GRACE_SECONDS):
            return
        below = [handle for each in descendants(pid) if (handle := _hold(each))]
        for each in (process, *below):
            each.send(signal.SIGKILL)
        deadline = time.monotonic() + _KILL_SECONDS
        left = [each.pid for each in (process, *below) if not each.wait(max(deadline - time.monotonic(), 0))]
        for each in below:
            each.close()
        if left:
            numbers = ", ".join([str(number) for number in left])
            raise StopError(f"these processes do not end, not even by force: {numbers}")


def _hold(pid: int) -> Handle | None:
    try:
        return Handle(pid)
    except OSError:
        return None


def _others(root: Path, folders: StateFolders, occupant: Occupant, *, anew: bool) -> str:
    """Say who else runs it, and how that is ended, or restarted."""
    launcher, pid = occupant.launcher, occupant.pid
    commands = find_commands(root, folders.own, environment(), pid)
    if launcher is Launcher.TERMINAL:
        how = "end it with Ctrl-C in its terminal" + (
            f", or with: {commands.stop(launcher, pid)}" if pid else ""
        )
    elif anew:
        how = f"restart it with: {commands.restart(launcher, pid, hangs=False)}"
    else:
        until = ", until the next boot," if launcher is Launcher.SYSTEMD else ""
        how = f"end it{until} with: {commands.stop(launcher, pid)}"
    return f"{root}: {launcher} runs this one ({occupant.holder}); {how}"
