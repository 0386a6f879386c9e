"""``konivrer-watch service uninstall`` by systemd: all that is needed is in the unit, for the root may be gone."""

import os
import pwd
from contextlib import suppress
from pathlib import Path

import click

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_state
from konivrer_watch.cli.service_place import ALL_UNITS, demand_rights, unit_of
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Launcher
from konivrer_watch.report.text import escape
from konivrer_watch.report.unit import read_unit
from konivrer_watch.system.forget import acting_as, remove_record
from konivrer_watch.system.record import read_record
from konivrer_watch.system.systemd import Systemd, unit_folder


def uninstall(root: Path, *, own: bool, run_as: str | None) -> int:
    """Stop the service, and leave no unit of it. The root may be gone; whom the unit runs as is what the unit says."""
    demand_rights("uninstall", root, own=own)
    systemd = Systemd(of_user=own, environment=environment())
    unit = unit_of(root)
    text = systemd.read(unit)
    if text is None:
        click.echo(f"{unit} is not installed{_other_kind(unit, own=own)}")
        return 0
    installed = read_unit(text)
    if run_as not in (None, installed.user):
        raise UsageFault(
            f"{unit} runs as {installed.user}; leave --run-as out, for uninstall reads it off the unit"
        )
    systemd.remove(unit)
    folders = find_state(root, {**environment(), **installed.environment})
    _forget(folders.own, installed.user)
    click.echo(f"{unit} is stopped and removed; logs and state stay in {escape(str(folders.own))}")
    if own and installed.lingers and not systemd.others(unit, ALL_UNITS):
        fault = systemd.linger(pwd.getpwuid(os.geteuid()).pw_name, on=False)
        told = "linger, which install had enabled for you, is off again"
        click.echo(told if fault is None else f"linger stays on: {fault}")
    return 0


def _other_kind(unit: str, *, own: bool) -> str:
    """Where the unit is one of the other manager, say how it is named."""
    if not (unit_folder(of_user=not own, environment=environment()) / unit).exists():
        return ""
    return (
        "; there is a system unit: add --system" if own else "; there is one of your own: leave --system out"
    )


def _forget(folder: Path, user: str | None) -> None:
    """Remove the record of the service, lest ``status`` names a unit that is gone. What cannot be removed stays."""
    with suppress(OSError, KeyError), acting_as(user):
        record = read_record(folder)
        if record is not None and record.launcher is Launcher.SYSTEMD:
            remove_record(folder)
