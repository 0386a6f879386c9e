"""What is wrong with a state folder, and what to do: said before anything fails by it with less to say."""

import os
import pwd
import stat
from pathlib import Path

import msgspec

from konivrer_watch.cli.places import STATE_VARIABLE
from konivrer_watch.core.errors import StopError
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.commands import shell_word


class StateFault(msgspec.Struct, frozen=True):
    """Why a state folder cannot be used, and what to do about it, a command where there is one.

    ``is_blind``: it cannot be looked into, so that nothing is known of what runs.
    """

    reason: str
    remedy: str
    is_blind: bool


def state_fault(folders: StateFolders) -> StateFault | None:
    """Return what is wrong with the state folder of a root; ``None`` where it can be used, or made."""
    # From the outermost on: what is above decides what can be said of what is below.
    for place in reversed((folders.own, folders.shared, *folders.shared.parents)):
        try:
            status = place.stat()
        except FileNotFoundError:
            return _unmade(place)
        except OSError as error:
            return StateFault(
                f"the state folder {place} cannot be reached: {error.strerror}", _elsewhere(), True
            )
        if not stat.S_ISDIR(status.st_mode):
            reason = f"the state folder {folders.own} cannot be made: {place} is no folder"
            return StateFault(reason, f"move it away, or {_elsewhere()}", False)
        if not os.access(place, os.X_OK):
            return _locked(place, status, folders)
    return _closed(folders.own)


def demand_own(folders: StateFolders) -> None:
    """Raise ``StopError`` where the state folder is another user's: it is that one's service, also to root.

    The folder of all roots may be root's, as a machine's administrator makes it.
    """
    me = os.geteuid()
    for place, owners in ((folders.shared, {me, 0}), (folders.own, {me})):
        try:
            owner = place.stat().st_uid
        except OSError:
            # Not there, or not to be reached: ``state_fault`` says which.
            return
        if owner not in owners:
            raise StopError(
                f"the state folder {place} belongs to {_name(owner)}, and you are {_name(me)}; "
                f"run this as {_name(owner)}, or {_elsewhere()}"
            )


def demand_usable(folders: StateFolders) -> None:
    """Raise ``StopError`` where no service can be started with the state folder."""
    demand_own(folders)
    if (fault := state_fault(folders)) is not None:
        raise StopError(f"the service cannot be started: {fault.reason}; {fault.remedy}")


def _closed(own: Path) -> StateFault | None:
    """What is wrong with a state folder that is there."""
    if os.access(own, os.R_OK | os.W_OK):
        return None
    status = own.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o600 != 0o600:
        return _barred(own, status, "be written" if os.access(own, os.R_OK) else "be read")
    return StateFault(f"the state folder {own} cannot be written: its disk is read-only", _elsewhere(), False)


def _locked(place: Path, status: os.stat_result, folders: StateFolders) -> StateFault:
    if place in (folders.own, folders.shared):
        return _barred(place, status, "be entered")
    reason = f"the state folder {folders.own} cannot be reached: you may not enter {place}"
    return StateFault(reason, _elsewhere(), True)


def _barred(place: Path, status: os.stat_result, what: str) -> StateFault:
    is_blind = what != "be written"
    if status.st_uid != os.geteuid():
        reason = f"the state folder {place} belongs to {_name(status.st_uid)} and cannot {what} by you"
        return StateFault(reason, f"ask as that user, or {_elsewhere()}", is_blind)
    return StateFault(
        f"the state folder {place} cannot {what}: its permissions forbid it",
        f"chmod u+rwx {shell_word(bytes(place))}",
        is_blind,
    )


def _unmade(missing: Path) -> StateFault | None:
    """What is wrong where a folder is to be made."""
    above = missing.parent
    if os.access(above, os.W_OK | os.X_OK):
        return None
    reason = f"the state folder {missing} cannot be made: {above} cannot be written"
    is_ours = above.stat().st_uid == os.geteuid() and above.stat().st_mode & 0o300 != 0o300
    chmod = f"chmod u+rwx {shell_word(bytes(above))}, or " if is_ours else ""
    return StateFault(reason, chmod + _elsewhere(), False)


def _elsewhere() -> str:
    return f"name another one with {STATE_VARIABLE}"


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
