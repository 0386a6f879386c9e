"""The commands that mend a service name what is installed here, and what ends whoever has it now."""

import os
from pathlib import Path

import pytest

from konivrer_watch.cli import remedies
from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_state
from konivrer_watch.cli.remedies import ending_command, find_commands
from konivrer_watch.core.model import Launcher
from konivrer_watch.report.unit import unit_name
from konivrer_watch.system.lease import hold_lease

ROOT = Path("/r/app")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(remedies, "_SYSTEM_UNITS", folder)
    return folder


@pytest.mark.parametrize("configured", [True, False])
def test_a_unit_is_looked_for_where_users_and_the_machine_keep_them(
    tmp_path: Path, system: Path, configured: bool
) -> None:
    own = Path("/s/app-1")
    given = {"HOME": str(tmp_path), **({"XDG_CONFIG_HOME": str(tmp_path / "conf")} if configured else {})}
    none = find_commands(ROOT, own, given)
    assert (none.is_installed, none.is_users) == (False, True)
    assert none.start(Launcher.SYSTEMD) == "konivrer-watch start /r/app"
    users = tmp_path / ("conf" if configured else ".config") / "systemd" / "user"
    users.mkdir(parents=True)
    (users / unit_name(own.name)).write_text("")
    found = find_commands(ROOT, own, given)
    assert found.start(Launcher.SYSTEMD) == f"systemctl --user start {unit_name(own.name)}"
    (system / unit_name(own.name)).write_text("")
    machine = find_commands(ROOT, own, given)
    assert machine.start(Launcher.SYSTEMD) == f"sudo systemctl start {unit_name(own.name)}"


def test_the_unit_that_a_process_belongs_to_comes_before_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remedies, "unit_of", lambda pid: ("other.service", False))
    found = find_commands(ROOT, Path("/s/app-1"), {"HOME": "/h"}, 7)
    assert found.restart(Launcher.SYSTEMD, 7, hangs=False) == "sudo systemctl restart other.service"


def test_what_ends_whoever_has_a_root_is_named() -> None:
    folders = find_state(ROOT, environment())
    with hold_lease(folders.own / "lock", f"process {os.getpid()} (terminal), since then"):
        assert ending_command(ROOT, folders, environment()) == f"kill {os.getpid()}"
    with hold_lease(folders.own / "supervisor.lock", f"process {os.getpid()} (direct), since then"):
        assert ending_command(ROOT, folders, environment()) == "konivrer-watch stop /r/app"
    assert ending_command(ROOT, folders, environment()) == "konivrer-watch stop /r/app"
