"""``konivrer-watch service --systemd``: a unit for a root, of the user's own manager or of the machine's."""

import os
import pwd
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

import konivrer_watch
from konivrer_watch.cli.options import environment, resolve_settings, write_output
from konivrer_watch.cli.places import STATE_VARIABLE, find_state
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.text import escape
from konivrer_watch.report.unit import Service, made_linger, render_unit, unit_name
from konivrer_watch.system.lease import look_at_lease
from konivrer_watch.system.programs import find_program
from konivrer_watch.system.systemd import SYSTEM_FOLDER, Systemd, UnitState

# Where only root can put programs: a system unit runs these as root for a moment.
_TOOLS = "/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin"

_ALL = "konivrer-watch-*.service"

_NO_EXEC, _NO_WALLS = 203, frozenset({217, 218, 226})
"""What a process of systemd's ends with before it becomes ours (systemd.exec(5), "Process Exit Codes")."""


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

    def told(self, action: str) -> str:
        """Return the command line of another action on the same unit."""
        words = ["konivrer-watch", "service", action, *([] if self.own else ["--system"]), str(self.root)]
        return ("" if self.own else "sudo ") + shlex.join(words)


def find_placement(root: Path, *, own: bool, run_as: str | None) -> Placement:
    """Return whose unit the service of ``root`` is. Raises ``UsageFault`` where that is not clear."""
    given = environment()
    sudoer = given.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    me = pwd.getpwuid(os.geteuid())
    variables = {name: value for name, value in given.items() if name.startswith("KONIVRER_WATCH_")}
    if own:
        if sudoer not in ("", "root"):
            raise UsageFault(
                f"your own manager is {sudoer}'s, not root's: run it without sudo, or say --system for the machine's"
            )
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


def show(place: Placement) -> int:
    """Print the unit."""
    write_output(render_unit(_service(place)).encode())
    return 0


def install(place: Placement) -> int:
    """Write the unit, let it start at boot, and run it now."""
    service = _service(place)
    render_unit(service)
    _demand_root(place, "install")
    systemd = _manager(place)
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


def uninstall(place: Placement) -> int:
    """Stop the service, and leave no unit of it."""
    _demand_root(place, "uninstall")
    systemd = _manager(place)
    text = systemd.read(place.unit)
    if text is None:
        elsewhere = SYSTEM_FOLDER / place.unit
        hint = "; there is a system unit: add --system" if place.own and elsewhere.exists() else ""
        click.echo(f"{place.unit} is not installed{hint}")
        return 0
    systemd.remove(place.unit)
    click.echo(
        f"{place.unit} is stopped and removed; logs and state stay in {escape(str(place.folders.own))}"
    )
    if place.own and made_linger(text) and not systemd.others(place.unit, _ALL):
        fault = systemd.linger(place.user, on=False)
        told = "linger, which install had enabled for you, is off again"
        click.echo(told if fault is None else f"linger stays on: {fault}")
    return 0


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
    ours = [place.unit, *systemd.others(place.unit, _ALL)]
    return any(made_linger(systemd.read(unit) or "") for unit in ours), None


def _tell(place: Placement, systemd: Systemd, how: str, notes: list[str]) -> None:
    kind = "--user" if place.own else "--system"
    root = shlex.quote(str(place.root))
    lines = [
        f"{place.unit} {how}",
        *(f"  note       {note}" for note in notes),
        f"  unit       {systemd.folder / place.unit}",
        f"  status     konivrer-watch status {root}",
        f"  logs       konivrer-watch logs {root}   (journalctl {kind} -u {place.unit})",
        f"  remove     {place.told('uninstall')}",
    ]
    click.echo("\n".join(map(escape, lines)))


def _reason(place: Placement, state: UnitState) -> str:
    if state.exit_status == _NO_EXEC:
        return f"{place.user} cannot run {sys.executable}; it must be readable for that user"
    ended = f"{state.active}, last result {state.result}"
    return f"{ended}, exit code {state.exit_status}" + (
        f" ({state.status_text})" if state.status_text else ""
    )


def _demand_root(place: Placement, action: str) -> None:
    if not place.own and os.geteuid() != 0:
        raise UsageFault(f"the machine's units are root's: {place.told(action)}")


def _manager(place: Placement) -> Systemd:
    return Systemd(of_user=place.own, environment=environment())


def _refuse_beside_another(place: Placement) -> None:
    """Raise ``UsageFault`` where the root is watched already: the unit would wait for that one's end for ever."""
    for lock in ("supervisor.lock", "lock"):
        held = look_at_lease(place.folders.own / lock)
        if held is not None:
            raise UsageFault(f"this folder is watched already, by {held.holder}; stop that one first")


def _service(place: Placement) -> Service:
    settings = resolve_settings(place.root, {}).settings
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
        pull=settings.pull,
    )
