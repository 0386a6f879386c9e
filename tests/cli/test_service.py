"""``service`` says what it does, does it once and leaves nothing behind; what stands in its way is told."""

import os
import plistlib
import pwd
import subprocess
from pathlib import Path

import click
import pytest

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_state
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import begin
from konivrer_watch.system import systemd
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.record import read_record, write_record
from tests.cli.fake_systemd import FakeSystemd
from tests.cli.running import invoke

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def root(tmp_path: Path) -> str:
    folder = tmp_path / "my src"
    folder.mkdir()
    return str(folder)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    """A machine with systemd, where we did not come by sudo."""
    fake = FakeSystemd(tmp_path / "fake")
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.setenv("FAKE", str(fake.folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(fake.folder / "config"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    return fake


def state_of(unit: str) -> str:
    """What a unit sets the state folder to."""
    (line,) = [line for line in unit.splitlines() if "STATE_DIR" in line]
    return line.partition("STATE_DIR=")[2].rstrip('"')


def test_install_writes_a_unit_starts_it_now_and_at_boot_and_tells_what_to_do_next(
    root: str, fake: FakeSystemd
) -> None:
    result = invoke("service", "install", root)
    assert result.return_value == 0
    assert "konivrer_watch.cli" in fake.unit()
    assert [len(fake.calls(word)) for word in ("daemon-reload", "enable --quiet", "restart")] == [1, 1, 1]
    lines = result.output.splitlines()
    assert lines[0].endswith("runs now, and from boot on")
    for word in ("status", "logs", "service uninstall"):
        assert any(f"konivrer-watch {word} '{root}'" in line for line in lines)


def test_a_second_install_changes_nothing_and_restarts_nothing(root: str, fake: FakeSystemd) -> None:
    invoke("service", "install", root)
    first = fake.unit()
    assert invoke("service", "install", root).return_value == 0
    assert fake.unit() == first
    assert len(fake.calls("restart")) == len(fake.calls("daemon-reload")) == 1


def test_an_install_with_other_settings_restarts_it(
    root: str, fake: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("service", "install", root)
    monkeypatch.setenv("KONIVRER_WATCH_CPU_QUOTA", "20")
    invoke("service", "install", root)
    assert "CPUQuota=20%" in fake.unit()
    assert 'Environment="KONIVRER_WATCH_CPU_QUOTA=20"' in fake.unit()
    assert len(fake.calls("restart")) == 2


def test_uninstall_leaves_no_unit_and_takes_back_the_linger_that_install_made(
    root: str, fake: FakeSystemd
) -> None:
    invoke("service", "install", root)
    assert fake.has("linger")
    result = invoke("service", "uninstall", root)
    assert (result.return_value, list(fake.units.iterdir())) == (0, [])
    assert not fake.has("linger")
    assert "is off again" in result.output
    assert fake.calls("disable --now")[0].startswith("systemctl --user ")
    assert fake.calls("reset-failed")


def test_linger_that_was_on_before_stays_on(root: str, fake: FakeSystemd) -> None:
    fake.set("linger")
    invoke("service", "install", root)
    invoke("service", "uninstall", root)
    assert fake.has("linger")


def test_linger_stays_until_the_last_unit_is_gone(root: str, fake: FakeSystemd, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for path in (root, str(tmp_path / "other"), root):
        invoke("service", "install", path)
    invoke("service", "uninstall", root)
    assert fake.has("linger")
    invoke("service", "uninstall", str(tmp_path / "other"))
    assert not fake.has("linger")


def test_without_linger_it_is_told_when_the_service_ends_and_who_can_change_that(
    root: str, fake: FakeSystemd
) -> None:
    fake.set("no-linger")
    result = invoke("service", "install", root)
    assert result.return_value == 0
    assert result.output.splitlines()[0].endswith(" runs now")
    assert "it ends when you log out, and does not start at boot" in result.output
    assert f"loginctl enable-linger {ME}" in result.output


def test_where_users_have_no_namespaces_it_runs_without_them_and_says_so(
    root: str, fake: FakeSystemd
) -> None:
    fake.set("no-namespaces")
    result = invoke("service", "install", root)
    assert result.return_value == 0
    assert "PrivateUsers" not in fake.unit()
    assert "it runs without file system protection" in result.output


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("ActiveState=activating\nResult=exit-code\nExecMainStatus=203\n", f"{ME} cannot run "),
        ("ActiveState=failed\nResult=timeout\nExecMainStatus=0\n", "failed, last result timeout"),
    ],
)
def test_a_service_that_does_not_come_up_is_exit_code_1_with_the_reason(
    root: str, fake: FakeSystemd, state: str, told: str
) -> None:
    fake.set("broken", state)
    result = invoke("service", "install", root)
    assert result.return_value == 1
    assert "does not run yet: " + told in result.output
    assert "konivrer-watch logs" in result.output


@pytest.mark.parametrize(
    ("holder", "end"),
    [
        ("process 7 (terminal)", "konivrer-watch stop '{}'"),
        ("process 7 (docker)", "konivrer-watch service uninstall --docker '{}'"),
        ("process 7 (systemd)", "konivrer-watch service uninstall '{}'"),
    ],
)
def test_a_root_that_another_watches_is_left_to_that_one_and_its_end_is_named(
    root: str, fake: FakeSystemd, holder: str, end: str
) -> None:
    own = find_state(Path(root), environment()).own
    with hold_lease(own / "lock", holder), pytest.raises(UsageFault) as caught:
        invoke("service", "install", root)
    assert str(caught.value).endswith(f"by {holder}; stop that one first: {end.format(root)}")
    assert list(fake.units.iterdir()) == []


def test_uninstall_of_nothing_says_so(root: str, fake: FakeSystemd) -> None:
    result = invoke("service", "uninstall", root)
    assert result.return_value == 0
    assert "is not installed" in result.output
    assert not fake.calls("disable")


def test_show_prints_the_unit_and_touches_nothing(root: str, fake: FakeSystemd) -> None:
    shown = invoke("service", "show", root)
    assert shown.return_value == 0
    assert not fake.has("calls")
    assert list(fake.units.iterdir()) == []
    fake.set("linger")
    invoke("service", "install", root)
    assert f"# {next(fake.units.iterdir())}\n{fake.unit()}" == shown.output


@pytest.mark.parametrize("became", ["removed", "moved", "a file"])
def test_a_root_that_is_gone_is_shown_and_uninstalled_by_its_path(
    root: str, became: str, fake: FakeSystemd, tmp_path: Path
) -> None:
    invoke("service", "install", root)
    unit, folder = fake.unit(), Path(root)
    folder.rename(tmp_path / "elsewhere") if became == "moved" else folder.rmdir()
    if became == "a file":
        folder.touch()
    else:
        assert invoke("service", "show", root).output.partition("\n")[2] == unit
    result = invoke("service", "uninstall", root)
    assert (result.return_value, list(fake.units.iterdir())) == (0, [])
    assert fake.calls("disable --now")


def test_a_path_that_never_was_has_no_unit_to_show(root: str, fake: FakeSystemd) -> None:
    with pytest.raises(UsageFault, match="there is no such folder"):
        invoke("service", "show", f"{root}x")
    assert "is not installed" in invoke("service", "uninstall", f"{root}x").output


def test_uninstall_leaves_no_record_of_the_unit_and_no_other_record_alone(
    root: str, fake: FakeSystemd
) -> None:
    own = find_state(Path(root), environment()).own
    for launcher, stays in ((Launcher.SYSTEMD, False), (Launcher.DIRECT, True)):
        invoke("service", "install", root)
        write_record(own, begin(None, launcher, "", "2026-01-01T00:00:00Z"))
        invoke("service", "uninstall", root)
        assert (read_record(own) is not None) == stays


def test_uninstall_speaks_of_the_state_that_the_unit_has_and_not_of_todays(
    root: str, fake: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("service", "install", root)
    own = find_state(Path(root), environment()).own
    write_record(own, begin(None, Launcher.SYSTEMD, "", "2026-01-01T00:00:00Z"))
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(tmp_path / "another"))
    assert str(own) in invoke("service", "uninstall", root).output
    assert read_record(own) is None


@pytest.mark.parametrize("pull", ["yes", "no"])
def test_only_a_root_that_a_start_can_pull_is_written_and_given_a_network(
    root: str, pull: str, fake: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    (Path(root) / "sub").mkdir()
    monkeypatch.setenv("KONIVRER_WATCH_PULL", pull)
    top, below = (invoke("service", "show", path).output for path in (root, f"{root}/sub"))
    assert ("AF_INET" in top, f'"-{root}"' in top) == (pull == "yes", pull == "yes")
    assert ("AF_INET" in below, f'"-{root}' in below) == (False, True)


def test_without_systemd_the_other_way_is_named(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    with pytest.raises(UsageFault, match=r"no systemctl on PATH.*konivrer-watch start"):
        invoke("service", "install", root)


def test_without_a_user_bus_it_is_told_how_to_get_one(root: str, fake: FakeSystemd) -> None:
    fake.set("unreachable")
    with pytest.raises(UsageFault, match=r"no user bus\).*No medium found.*log in as this user"):
        invoke("service", "install", root)


@pytest.mark.parametrize("name", ["a\nb", "a\udcffb"])
def test_a_root_that_no_unit_can_hold_is_refused(name: str, tmp_path: Path, fake: FakeSystemd) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(UsageFault, match="UTF-8"):
        invoke("service", "install", str(folder))
    assert not fake.has("calls")


def test_faulty_settings_are_named_before_anything_is_installed(root: str, fake: FakeSystemd) -> None:
    (Path(root) / "konivrer-watch.toml").write_text("cpu_quota = 0\n")
    with pytest.raises(UsageFault, match="cpu_quota"):
        invoke("service", "install", root)
    assert not fake.has("calls")


def as_root(monkeypatch: pytest.MonkeyPatch, sudoer: str | None) -> None:
    """Be root, called by ``sudo`` from this user."""
    root = pwd.getpwnam("root")
    monkeypatch.setattr(os, "geteuid", lambda: root.pw_uid)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudoer is not None:
        monkeypatch.setenv("SUDO_USER", sudoer)


def test_a_system_unit_runs_as_whoever_called_sudo_with_that_ones_state(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_root(monkeypatch, "daemon")
    monkeypatch.delenv("KONIVRER_WATCH_STATE_DIR")
    daemon = pwd.getpwnam("daemon")
    unit = invoke("service", "show", "--system", root).output
    assert "User=daemon\n" in unit
    assert state_of(unit) == str(Path(daemon.pw_dir).resolve() / ".local" / "state" / "konivrer-watch")
    assert f'"--reuid" "{daemon.pw_uid}"' in unit


@pytest.mark.parametrize("sudoer", [None, "root"])
def test_nothing_runs_as_root_unless_that_is_told(
    root: str, sudoer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_root(monkeypatch, sudoer)
    with pytest.raises(UsageFault, match="--run-as"):
        invoke("service", "install", "--system", root)
    assert "User=root\n" in invoke("service", "show", "--system", "--run-as", "root", root).output


def test_a_user_there_is_not_is_named(root: str) -> None:
    with pytest.raises(UsageFault, match="there is no user nobody-here"):
        invoke("service", "show", "--system", "--run-as", "nobody-here", root)


def test_your_own_manager_is_not_roots(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root(monkeypatch, "daemon")
    with pytest.raises(UsageFault, match="run it without sudo"):
        invoke("service", "install", root)


def test_only_root_writes_the_machines_units_and_the_command_is_named(
    root: str, fake: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("daemon").pw_uid)
    with pytest.raises(UsageFault, match=r"sudo konivrer-watch service install --system"):
        invoke("service", "install", "--system", root)
    assert not fake.has("calls")


@pytest.fixture
def system(fake: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the machine's units are, for a root who came without sudo."""
    folder = tmp_path / "system"
    monkeypatch.setattr(systemd, "SYSTEM_FOLDER", folder)
    as_root(monkeypatch, ME)
    return folder


@pytest.mark.parametrize("options", [[], ["--run-as", ME]])
def test_a_system_unit_is_uninstalled_by_whoever_is_root_and_its_own_state_is_named(
    root: str, system: Path, fake: FakeSystemd, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("service", "install", "--system", "--run-as", ME, root)
    own = find_state(Path(root), environment()).own
    for name in ("SUDO_USER", "KONIVRER_WATCH_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    result = invoke("service", "uninstall", "--system", *options, root)
    assert (result.return_value, list(system.iterdir())) == (0, [])
    assert str(own) in result.output
    assert fake.calls("disable --now")[0].startswith("systemctl --system ")


def test_a_system_unit_of_another_user_than_named_stays(root: str, system: Path, fake: FakeSystemd) -> None:
    invoke("service", "install", "--system", "--run-as", "daemon", root)
    with pytest.raises(UsageFault, match="runs as daemon; leave --run-as out"):
        invoke("service", "uninstall", "--system", "--run-as", "root", root)
    assert list(system.iterdir())
    assert not fake.calls("disable")


def test_who_names_the_wrong_manager_is_told_of_the_other(
    root: str, system: Path, fake: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("service", "install", "--system", "--run-as", ME, root)
    monkeypatch.delenv("SUDO_USER")
    assert "there is a system unit: add --system" in invoke("service", "uninstall", root).output
    invoke("service", "install", "--system", "--run-as", ME, root)
    invoke("service", "uninstall", "--system", root)
    invoke("service", "install", root)
    assert "leave --system out" in invoke("service", "uninstall", "--system", root).output


def test_launchd_is_shown_as_a_property_list_and_install_says_how_to_load_it(root: str) -> None:
    shown = plistlib.loads(invoke("service", "show", "--launchd", root).output.encode())
    assert shown["ProgramArguments"][-2:] == ["_supervise", root]
    with pytest.raises(UsageFault, match="launchctl bootstrap"):
        invoke("service", "install", "--launchd", root)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--docker", "--system"],
        ["--launchd", "--run-as", "root"],
        ["--run-as", "root"],
        ["--user", "--run-as", "x"],
        ["--systemd", "--docker"],
        ["--docker", "--systemd"],
        ["--launchd", "--systemd"],
    ],
)
def test_options_that_do_not_go_together_are_refused(root: str, arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        invoke("service", "show", root, *arguments)
