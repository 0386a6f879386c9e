"""``konivrer-watch start``: watch PATH in the background."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import click

from konivrer_watch.cli.occupant import Occupant, ask_status, find_occupant
from konivrer_watch.cli.options import environment, resolve_settings, write_output
from konivrer_watch.cli.places import STATE_VARIABLE, find_root, find_state
from konivrer_watch.cli.remedies import find_commands
from konivrer_watch.cli.state_fault import demand_usable
from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.core.model import Launcher, LogFile
from konivrer_watch.core.restart import Phase, ServiceRecord
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.commands import shell_word
from konivrer_watch.report.text import escape, path_text
from konivrer_watch.system.files import make_private
from konivrer_watch.system.process import Detached, spawn_supervisor
from konivrer_watch.system.record import read_record

_SERVE_SECONDS = 30.0
# A daemon that crashed so often in a row since its service was started will not be there in a moment.
_HOPELESS = 3
# A daemon whose supervisor was killed needs as long to notice.
_SETTLE_SECONDS = 3.0
_POLL_SECONDS = 0.05

_EPILOG = """\b
Examples:
  konivrer-watch start                      the folder you are in, in the background
  konivrer-watch start ~/src/app
  konivrer-watch status ~/src/app           how it is
  konivrer-watch logs -f ~/src/app          what it says
  konivrer-watch stop ~/src/app             end it

\b
Exit codes:
  0   it serves, or did already
  1   it was started and does not serve: it goes on trying, and what is wrong is said;
      or it was stopped meanwhile
  2   wrong usage or configuration, or a terminal watches PATH
  70  it could not be started
"""


@click.command("start", epilog=_EPILOG, short_help="Watch PATH in the background.")
@click.argument("path", default=".")
def command(path: str) -> int:
    """Watch PATH in the background, and return once that works or it is known why not."""
    root = find_root(path)
    return start_service(root, find_state(root, environment()), environment())


def start_service(root: Path, folders: StateFolders, environ: Mapping[str, str]) -> int:
    """Start the service of a root and say what came of it; return the exit code.

    Raises ``UsageFault`` for its settings, ``LeaseHeldError`` where a terminal watches it, ``StopError`` where nothing
    can be started.
    """
    resolve_settings(root, {})
    demand_usable(folders)
    occupant = _wait_settled(folders)
    if occupant is None:
        return _wait_served(root, folders, environ, _spawn(root, folders, environ))
    if occupant.is_supervised:
        return _wait_served(root, folders, environ, None)
    if occupant.launcher in (Launcher.SYSTEMD, Launcher.DOCKER):
        _say(root, f"runs already, started by {occupant.launcher} ({occupant.holder})")
        return 0
    who = "a terminal" if occupant.launcher is Launcher.TERMINAL else "somebody"
    end = find_commands(root, folders.own, environ).stop(occupant.launcher, occupant.pid)
    raise LeaseHeldError(
        f"{root}: {who} watches this one already ({occupant.holder}); end that one first: {end}"
    )


def _wait_settled(folders: StateFolders) -> Occupant | None:
    """Return who has the root, after giving a daemon that is losing its supervisor the time to end."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (occupant := find_occupant(folders)) is not None:
        is_ending = not occupant.is_supervised and occupant.launcher in (Launcher.DIRECT, None)
        if not is_ending or time.monotonic() > deadline:
            return occupant
        time.sleep(_POLL_SECONDS)
    return None


def _spawn(root: Path, folders: StateFolders, environ: Mapping[str, str]) -> Detached:
    try:
        make_private(folders.own)
        # The supervisor could tell nobody that it cannot make its lock.
        os.close(os.open(folders.supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # It runs in another folder: a relative state folder would be another one there.
        return spawn_supervisor(root, {**environ, STATE_VARIABLE: str(folders.shared)})
    except OSError as error:
        raise StopError(f"the service cannot be started: {error}") from error


def _wait_served(
    root: Path, folders: StateFolders, environ: Mapping[str, str], started: Detached | None
) -> int:
    """Wait until the daemon answers, for a while; say what came of it."""
    deadline = time.monotonic() + _SERVE_SECONDS
    record = None
    while time.monotonic() < deadline:
        occupant = find_occupant(folders)
        if occupant is not None and occupant.is_supervised:
            answer = ask_status(folders, environ)
            # A terminal may have the root, taken between two lives of our daemon.
            if answer is not None and answer.launcher == Launcher.DIRECT:
                is_new = started is not None and occupant.pid == started.pid
                who = f"process {answer.pid}, supervisor {answer.supervisor_pid}"
                _say(root, f"{'started' if is_new else 'runs already'}, {who}")
                if is_new:
                    _show_next(root)
                return 0
            record = read_record(folders.own)
            if record is not None and record.supervisor_pid != occupant.pid:
                # Of a service before this one.
                record = None
            if record is not None and record.phase is not Phase.RUNNING and record.failures >= _HOPELESS:
                break
        elif _was_stopped(folders, started, occupant):
            click.echo(
                f"konivrer-watch: {escape(path_text(bytes(root)))}: it was stopped meanwhile", err=True
            )
            return 1
        elif started is not None and (code := started.exit_code()) is not None:
            raise StopError(f"{root}: the supervisor ended at once, with {code}{_log(folders)}")
        time.sleep(_POLL_SECONDS)
    return _tell_failure(root, folders, environ, record)


def _was_stopped(folders: StateFolders, started: Detached | None, occupant: Occupant | None) -> bool:
    """Whether the supervisor that we started, or met, was told to end."""
    if started is not None:
        # It ends by the signal itself before it has begun to heed it.
        return started.exit_code() in (0, -signal.SIGTERM)
    record = read_record(folders.own)
    return occupant is None and record is not None and record.phase is Phase.STOPPED


def _tell_failure(
    root: Path, folders: StateFolders, environ: Mapping[str, str], record: ServiceRecord | None
) -> int:
    reason, due = (record.reason, record.retry_at) if record is not None else (None, None)
    # The same answer as the log's and that of status.
    again = find_commands(root, folders.own, environ).restart(Launcher.DIRECT, None, hangs=False)
    text = (
        f"{root}: failed: {reason or f'no answer within {_SERVE_SECONDS:g} s'}; "
        f"{f'it is tried again at {due}; ' if due else ''}"
        f"correct the cause, then: {again}{_log(folders)}"
    )
    click.echo(f"konivrer-watch: {escape(text)}", err=True)
    return 1


def _show_next(root: Path) -> None:
    place = shell_word(bytes(root))
    rows = [("how it is", "status"), ("what it says", "logs -f"), ("end it", "stop")]
    lines = [f"  {label:14}konivrer-watch {words} {place}\n" for label, words in rows]
    write_output("".join(lines).encode())


def _log(folders: StateFolders) -> str:
    return f"; its log is {folders.own / 'logs' / LogFile.SERVICE}"


def _say(root: Path, text: str) -> None:
    write_output(f"{escape(path_text(bytes(root)))}: {escape(text)}\n".encode())
