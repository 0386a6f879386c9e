"""Who watches a root now: found by the locks, which cannot lie, and named by what is written into them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from konivrer_watch.cli.places import STATE_VARIABLE, find_sockets
from konivrer_watch.cli.state_fault import state_fault
from konivrer_watch.core.errors import StopError
from konivrer_watch.core.holder import read_holder
from konivrer_watch.core.model import Launcher
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.status import StatusReport
from konivrer_watch.system.command import supervisor_command
from konivrer_watch.system.control_client import ControlFault, Status, ask
from konivrer_watch.system.handle import has_open
from konivrer_watch.system.holders import Holder, find_holder, find_process, launcher_word
from konivrer_watch.system.lease import Held, look_at_lease
from konivrer_watch.system.record import read_record

_ASK_SECONDS = 3.0


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
    if (held := look_at_lease(folders.supervisor_lock)) is not None:
        return _supervisor(folders, held)
    held = look_at_lease(folders.lock)
    found = None if held is None else _watcher(folders, held)
    if found is not None and found.launcher not in (Launcher.DIRECT, None):
        return found
    # A lock that was removed, or that we may not read, is held all the same.
    if (holder := find_holder(folders.supervisor_lock)) is not None:
        return _known(holder, is_supervised=True)
    if found is not None:
        return found
    if (holder := find_holder(folders.lock)) is not None:
        return _known(holder, is_supervised=False)
    return None


def find_spawned(root: Path, folders: StateFolders) -> Occupant | None:
    """Return the supervisor that ``start`` has begun, also before it has its lock; ``None`` where none is seen."""
    # Told apart by the state folder that start gives it: it may serve the same root in another one.
    pid = find_process(supervisor_command(root), f"{STATE_VARIABLE}={folders.shared}")
    return None if pid is None else Occupant(f"process {pid}", Launcher.DIRECT, pid, is_supervised=True)


def demand_sight(folders: StateFolders) -> None:
    """Raise ``StopError`` where the state folder cannot be looked into: that nobody is seen says nothing then."""
    if (fault := state_fault(folders)) is not None and fault.is_blind:
        raise StopError(f"{fault.reason}; whether a service runs is not to be seen; {fault.remedy}")


def _supervisor(folders: StateFolders, held: Held) -> Occupant:
    record = read_record(folders.own)
    recorded = None if record is None else record.supervisor_pid
    told = read_holder(held.holder)
    pid = _believed([None if told is None else told.pid, recorded], folders.supervisor_lock)
    if told is None and pid is None and (holder := find_holder(folders.supervisor_lock)) is not None:
        # Without room on its disk the lock holds, and says nothing.
        return _known(holder, is_supervised=True)
    return Occupant(held.holder, Launcher.DIRECT, pid, is_supervised=True)


def _watcher(folders: StateFolders, held: Held) -> Occupant:
    told = read_holder(held.holder)
    if told is None:
        if (holder := find_holder(folders.lock)) is not None:
            return _known(holder, is_supervised=False)
        return Occupant(held.holder, None, None, is_supervised=False)
    return Occupant(held.holder, told.launcher, _believed([told.pid], folders.lock), is_supervised=False)


def _believed(told: Sequence[int | None], lock: Path) -> int | None:
    """Return the first process that has the lock open, as far as the system says.

    Whoever comes next holds the lock for a moment before it has written who it is.
    """
    return next((pid for pid in told if pid is not None and has_open(pid, lock) is not False), None)


def _known(holder: Holder, *, is_supervised: bool) -> Occupant:
    word = Launcher.DIRECT if is_supervised else launcher_word(holder.pid) or Launcher.TERMINAL
    launcher = Launcher(word) if word in set(Launcher) else None
    return Occupant(f"process {holder.pid}", launcher, holder.pid, is_supervised)


def ask_status(folders: StateFolders, environment: Mapping[str, str]) -> StatusReport | None:
    """Return what the watcher of a root says of itself; ``None`` where none answers."""
    with suppress(ControlFault, msgspec.DecodeError):
        reply = ask(find_sockets(folders, environment), Status(), _ASK_SECONDS)
        return msgspec.json.decode(reply, type=StatusReport)
    return None
