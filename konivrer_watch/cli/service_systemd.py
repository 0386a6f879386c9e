"""``konivrer-watch service --systemd``: a unit for a root, of the user's own manager or of the machine's."""

import os
import pwd
import shlex
import sys
from pathlib import Path

import click
import msgspec

import konivrer_watch
from konivrer_watch.cli.occupant import find_occupant
from konivrer_watch.cli.options import environment, resolve_settings, write_output
from konivrer_watch.cli.remedies import find_commands
from konivrer_watch.cli.service_place import (
    ALL_UNITS,
    Placement,
    command_line,
    demand_rights,
    unit_of,
)
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Launcher
from konivrer_watch.report.text import escape
from konivrer_watch.report.unit import Service, read_unit, render_unit
from konivrer_watch.system.git import find_git
from konivrer_watch.system.programs import find_program
from konivrer_watch.system.systemd import Systemd, UnitState, read_file, unit_folder

# Where only root can put programs: a system unit runs these as root for a moment.
_TOOLS = "/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin"

_NO_EXEC, _NO_WALLS = 203, frozenset({217, 218, 226})
"""What a process of systemd's ends with before it becomes ours (systemd.exec(5), "Process Exit Codes")."""


def show(place: Placement) -> int:
    """Print the unit, under the name of its file."""
    _print(place.file, render_unit(_service(place)))
    return 0


def show_installed(root: Path, *, own: bool) -> bool:
    """Print the unit of a root that is gone, as it was installed; return whether there is one."""
    file = unit_folder(of_user=own, environment=environment()) / unit_of(root)
    text = read_file(file)
    if text is not None:
        _print(file, text)
    return text is not None


def _print(file: Path, text: str) -> None:
    write_output(f"# {escape(str(file))}\n{text}".encode())


def install(place: Placement) -> int:
    """Write the unit, let it start at boot, and run it now."""
    service = _service(place)
    render_unit(service)
    demand_rights("install", place.root, own=place.own)
    systemd = Systemd(of_user=place.own, environment=environment())
    before, state = systemd.read(place.unit), systemd.state(place.unit)
    if state.active not in ("active", "activating", "reloading"):
        _refuse_beside_another(place)
    notes, from_boot = [], ", and from boot on"
    if place.own:
        made, fault = _let_linger(systemd, place)
        service = msgspec.structs.replace(service, lingers=made)
        if fault is not None:
            from_boot = ""
            notes.append(
                f"it ends when you log out, and does not start at boot: {fault}; "
                f"an administrator can change that: loginctl enable-linger {place.user}"
            )
    state = _apply(systemd, place.unit, render_unit(service), before, state)
    if place.own and state.active != "active" and state.exit_status in _NO_WALLS:
        text = render_unit(msgspec.structs.replace(service, walled=False))
        state = _apply(systemd, place.unit, text, None, state)
        notes.append("this machine gives users no namespaces: it runs without file system protection")
    if state.active == "active" and (unlimited := systemd.unlimited(state)):
        notes.append(
            f"not limited here: {', '.join(unlimited)} (your manager is not handed these controllers)"
        )
    is_up = state.active == "active"
    _tell(
        place,
        systemd,
        f"runs now{from_boot}" if is_up else f"does not run yet: {_reason(place, state)}",
        notes,
    )
    return 0 if is_up else 1


def _apply(systemd: Systemd, unit: str, text: str, before: str | None, state: UnitState) -> UnitState:
    if text != before:
        systemd.write(unit, text)
    systemd.run_at_boot(unit)
    if text != before or state.active != "active":
        systemd.restart(unit)
    return systemd.state(unit)


def _let_linger(systemd: Systemd, place: Placement) -> tuple[bool, str | None]:
    """Return whether it was us who let the user linger, now or with an earlier unit, and why it cannot be."""
    if not systemd.lingers(place.user):
        fault = systemd.linger(place.user, on=True)
        return fault is None, fault
    ours = [place.unit, *systemd.others(place.unit, ALL_UNITS)]
    return any(read_unit(systemd.read(unit) or "").lingers for unit in ours), None


def _tell(place: Placement, systemd: Systemd, how: str, notes: list[str]) -> None:
    kind = "--user" if place.own else "--system"
    root = shlex.quote(str(place.root))
    lines = [
        f"{place.unit} {how}",
        *(f"  note       {note}" for note in notes),
        f"  unit       {place.file}",
        f"  status     konivrer-watch status {root}",
        f"  logs       konivrer-watch logs {root}   (journalctl {kind} -u {place.unit})",
        f"  remove     {command_line('uninstall', place.root, own=place.own)}",
    ]
    click.echo("\n".join(map(escape, lines)))


def _reason(place: Placement, state: UnitState) -> str:
    if state.exit_status == _NO_EXEC:
        return f"{place.user} cannot run {sys.executable}; it must be readable for that user"
    ended = f"{state.active}, last result {state.result}"
    return f"{ended}, exit code {state.exit_status}" + (
        f" ({state.status_text})" if state.status_text else ""
    )


def _refuse_beside_another(place: Placement) -> None:
    """Raise ``UsageFault`` where the root is watched already: the unit would wait for that one's end for ever."""
    occupant = find_occupant(place.folders)
    if occupant is None:
        return
    commands = find_commands(place.root, place.folders.own, environment())
    is_installed = occupant.launcher in (Launcher.SYSTEMD, Launcher.DOCKER)
    end = (
        commands.leave(occupant.launcher) if is_installed else commands.stop(occupant.launcher, occupant.pid)
    )
    raise UsageFault(f"this folder is watched already, by {occupant.holder}; stop that one first: {end}")


def _service(place: Placement) -> Service:
    settings = resolve_settings(place.root, {}).settings
    git = find_git(bytes(place.root))
    # Only there can a start pull.
    is_top = git is not None and git.top == bytes(place.root)
    state = str(place.folders.shared)
    account = pwd.getpwnam(place.user)
    become = ["--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--init-groups"]
    return Service(
        name=place.folders.own.name,
        root=bytes(place.root),
        state=bytes(place.folders.shared),
        python=sys.executable,
        user=None if place.own else place.user,
        environment=place.variables,
        prepare=[
            *([] if place.own else [find_program("setpriv", _TOOLS) or "/usr/bin/setpriv", *become]),
            *(find_program("mkdir", _TOOLS) or "/usr/bin/mkdir", "-p", "-m", "0700", state),
        ],
        elsewhere=[os.fsencode(path) for path in (sys.prefix, sys.base_prefix, konivrer_watch.__path__[0])],
        check_interval=settings.check_interval,
        cpu_quota=settings.cpu_quota,
        memory_max=settings.memory_max,
        pulls=settings.pull and is_top,
        git=[] if git is None else list(dict.fromkeys((git.git_dir, git.common_dir))),
    )
