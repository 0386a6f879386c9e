"""Who watches a root now: found by the locks, which cannot lie, and named by what is written into them."""

import re
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from konivrer_watch.cli.places import find_sockets
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import SUPERVISOR_LOCK
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.status import StatusReport
from konivrer_watch.system.control_client import ControlFault, Status, ask
from konivrer_watch.system.handle import has_open
from konivrer_watch.system.lease import look_at_lease
from konivrer_watch.system.record import read_record

_LOCK = "lock"
_ASK_SECONDS = 3.0
# As the daemon and the supervisor write it.
_HOLDER = re.compile(r"process (\d+) \((\w+)\)")


class Occupant(msgspec.Struct, frozen=True):
    """Whoever has a root, in its own words; ``launcher`` and ``pid`` as far as they are known.

    ``is_supervised`` is whether our own supervisor has it; ``pid`` is then the supervisor's, else the watcher's, and
    ``None`` where that is a process of another machine's or container's numbering.
    """

    holder: str
    launcher: Launcher | None
    pid: int | None
    is_supervised: bool


def find_occupant(folders: StateFolders) -> Occupant | None:
    """Return who has a root; ``None`` where nobody has."""
    for name in (SUPERVISOR_LOCK, _LOCK):
        path = folders.own / name
        if (held := look_at_lease(path)) is not None:
            written = _HOLDER.match(held.holder)
            told = [int(written[1])] if written else []
            launcher = _launcher(written[2]) if written else None
            is_supervised = name == SUPERVISOR_LOCK
            if is_supervised:
                launcher = Launcher.DIRECT
                record = read_record(folders.own)
                told += [record.supervisor_pid] if record is not None and record.supervisor_pid else []
            # Believed of a process that has the file open only: whoever comes next holds the lock for a moment before
            # it has written who it is.
            pid = next((each for each in told if has_open(each, path) is not False), None)
            return Occupant(held.holder, launcher, pid, is_supervised)
    return None


def ask_status(folders: StateFolders, environment: Mapping[str, str]) -> StatusReport | None:
    """Return what the watcher of a root says of itself; ``None`` where none answers."""
    with suppress(ControlFault, msgspec.DecodeError):
        reply = ask(find_sockets(folders, environment), Status(), _ASK_SECONDS)
        return msgspec.json.decode(reply, type=StatusReport)
    return None


def _launcher(word: str) -> Launcher | None:
    return Launcher(word) if word in set(Launcher) else None
