"""Whose unit the service of a root is, and what it is called: the user's own, or the machine's."""

import os
import pwd
import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import STATE_VARIABLE, find_state
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.text import escape
from konivrer_watch.report.unit import unit_name
from konivrer_watch.system.systemd import unit_folder

ALL_UNITS = "konivrer-watch-*.service"
"""What the name of every unit of ours is like."""


class Placement(msgspec.Struct, frozen=True):
    """Whose unit it is: ``own`` for the manager of the user we are; ``user`` is whom it runs as."""

    root: Path
    folders: StateFolders
    own: bool
    user: str
    variables: Mapping[str, str]

    @property
    def unit(self) -> str:
        """The unit's name."""
        return unit_name(self.folders.own.name)

    @property
    def file(self) -> Path:
        """The unit's file."""
        return unit_folder(of_user=self.own, environment=environment()) / self.unit


def unit_of(root: Path) -> str:
    """Return the name of a root's unit, which is the same whoever runs it."""
    return unit_name(find_state(root, environment()).own.name)


def command_line(action: str, root: Path, *, own: bool) -> str:
    """Return the command line of an action on the unit of ``root``."""
    words = ["konivrer-watch", "service", action, *([] if own else ["--system"]), str(root)]
    return ("" if own else "sudo ") + shlex.join(words)


def demand_rights(action: str, root: Path, *, own: bool) -> None:
    """Raise ``UsageFault`` where we may not touch such a unit."""
    if own:
        refuse_sudo()
    elif os.geteuid() != 0:
        raise UsageFault(f"the machine's units are root's: {command_line(action, root, own=own)}")


def refuse_sudo() -> None:
    """Raise ``UsageFault`` where our own manager would be root's, for which nobody asked."""
    sudoer = environment().get("SUDO_USER", "") if os.geteuid() == 0 else ""
    if sudoer not in ("", "root"):
        raise UsageFault(
            f"your own manager is {sudoer}'s, not root's: run it without sudo, or say --system for the machine's"
        )


def find_placement(root: Path, *, own: bool, run_as: str | None) -> Placement:
    """Return whose unit the service of ``root`` is. Raises ``UsageFault`` where that is not clear."""
    given = environment()
    sudoer = given.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    me = pwd.getpwuid(os.geteuid())
    variables = {name: value for name, value in given.items() if name.startswith("KONIVRER_WATCH_")}
    if own:
        refuse_sudo()
        # User-level configuration of ruff and git is looked up there.
        variables |= {
            name: given[name] for name in ("XDG_CONFIG_HOME",) if Path(given.get(name, "")).is_absolute()
        }
        folders = find_state(root, given)
        return Placement(root, folders, own, me.pw_name, variables | {STATE_VARIABLE: str(folders.shared)})
    try:
        account = pwd.getpwnam(run_as or sudoer or me.pw_name)
    except KeyError:
        raise UsageFault(f"--run-as: there is no user {escape(run_as or sudoer)}") from None
    if account.pw_uid == 0 and run_as is None:
        raise UsageFault(
            "the service would run as root: name its user with --run-as USER ('--run-as root', if that is meant)"
        )
    # Another's state is where that user's own commands look for it, not where root's would be.
    shared = given.get(STATE_VARIABLE) or str(Path(account.pw_dir) / ".local" / "state" / "konivrer-watch")
    folders = find_state(root, {STATE_VARIABLE: shared})
    return Placement(root, folders, own, account.pw_name, variables | {STATE_VARIABLE: str(folders.shared)})
