"""The commands that mend the service of a root, by what is installed on this machine."""

from collections.abc import Mapping
from pathlib import Path

from konivrer_watch.cli.occupant import find_occupant
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.commands import Commands
from konivrer_watch.report.compose import project_name
from konivrer_watch.report.unit import unit_name
from konivrer_watch.system.handle import unit_of

_SYSTEM_UNITS = Path("/etc/systemd/system")


def find_commands(root: Path, own: Path, environment: Mapping[str, str], pid: int | None = None) -> Commands:
    """Return the commands for a root with the state folder ``own``; ``pid`` is the watcher's where that is known."""
    unit, is_users = (unit_of(pid) if pid is not None else None) or (None, None)
    name = unit_name(own.name)
    container = f"{project_name(own.name)}-watch"
    if unit is not None and is_users is not None:
        return Commands(bytes(root), unit, container, is_users=is_users)
    is_systems = (_SYSTEM_UNITS / name).exists()
    is_installed = is_systems or (_user_units(environment) / name).exists()
    return Commands(bytes(root), name, container, is_users=not is_systems, is_installed=is_installed)


def ending_command(root: Path, folders: StateFolders, environment: Mapping[str, str]) -> str:
    """Return what ends whoever watches a root now."""
    occupant = find_occupant(folders)
    launcher, pid = (occupant.launcher, occupant.pid) if occupant is not None else (None, None)
    return find_commands(root, folders.own, environment, pid).stop(launcher, pid)


def _user_units(environment: Mapping[str, str]) -> Path:
    """Where a user keeps units (systemd.unit(5), "Unit File Load Path")."""
    configured = Path(environment.get("XDG_CONFIG_HOME", ""))
    home = Path(environment.get("HOME", "") or Path.home())
    return (configured if configured.is_absolute() else home / ".config") / "systemd" / "user"
