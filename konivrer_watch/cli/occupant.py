"""Who watches a root now: found by the locks, which cannot lie, and named by what is written into them."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from konivrer_watch.cli.places import LOCK, find_sockets
from konivrer_watch.cli.state_fault import state_fault
from konivrer_watch.core.errors import StopError
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import SUPERVISOR_LOCK
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.status import StatusReport
from konivrer_watch.system.control_client import ControlFault, Status, ask
from konivrer_watch.system.handle import has_open
from konivrer_watch.system.holders import Holder, find_holder, launcher_word
from konivrer_watch.system.lease import Held, look_at_lease
from konivrer_watch.system.record import read_record

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
    """Return who has a root; ``None`` where nobody is seen to have it."""
    supervisor, lock = folders.own / SUPERVISOR_LOCK, folders.own / LOCK
    if (held := look_at_lease(supervisor)) is not None:
        return _occupant(supervisor, held)
    held = look_at_lease(lock)
    found = None if held is None else _occupant(lock, held)
    if found is not None and found.launcher not in (Launcher.DIRECT, None):
        return found
    # A lock that was removed, or that we may not read, is held all the same.
    if (holder := find_holder(supervisor)) is not None:
        return _known(supervisor, holder)
    if found is not None:
        return found
    if (holder := find_holder(lock)) is not None:
        return _known(lock, holder)
    return None


def demand_sight(folders: StateFolders) -> None:
    """Raise ``StopError`` where the state folder cannot be looked into: that nobody is seen says nothing then."""
    if (fault := state_fault(folders)) is not None and fault.is_blind:
        raise StopError(f"{fault.reason}; whether a service runs is not to be seen; {fault.remedy}")


def _occupant(lock: Path, held: Held) -> Occupant:
    written = _HOLDER.match(held.holder)
    told = [int(written[1])] if written else []
    launcher = _launcher(written[2]) if written else None
    is_supervised = lock.name == SUPERVISOR_LOCK
    if is_supervised:
        launcher = Launcher.DIRECT
        record = read_record(lock.parent)
        told += [record.supervisor_pid] if record is not None and record.supervisor_pid else []
    # Believed of a process that has the file open only: whoever comes next holds the lock for a moment before it has
    # written who it is.
    pid = next((each for each in told if has_open(each, lock) is not False), None)
    if written is None and pid is None and (holder := find_holder(lock)) is not None:
        # Without room on its disk the lock holds, and says nothing.
        return _known(lock, holder)
    return Occupant(held.holder, launcher, pid, is_supervised)


def _known(lock: Path, holder: Holder) -> Occupant:
    is_supervised = lock.name == SUPERVISOR_LOCK
    word = Launcher.DIRECT if is_supervised else launcher_word(holder.pid) or Launcher.TERMINAL
    return Occupant(f"process {holder.pid}", _launcher(word), holder.pid, is_supervised)


def ask_status(folders: StateFolders, environment: Mapping[str, str]) -> StatusReport | None:
    """Return what the watcher of a root says of itself; ``None`` where none answers."""
    with suppress(ControlFault, msgspec.DecodeError):
        reply = ask(find_sockets(folders, environment), Status(), _ASK_SECONDS)
        return msgspec.json.decode(reply, type=StatusReport)
    return None


def _launcher(word: str) -> Launcher | None:
    return Launcher(word) if word in set(Launcher) else None
