"""Under real systemd, booted in a container: whatever ends the service, it is back; uninstalled, nothing is left."""

import pytest

from tests.whole.systemd.container import (
    COMMAND,
    HOME,
    UID,
    USER,
    Container,
    missing,
    wait_until,
)
from tests.whole.systemd.service import Service

REASON = missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")
# What systemd, the shell and a reader of its words might each take for theirs.
UGLY = "my src %h $HOME \"q\" 'a' \\ é"

_BURN = """
import os, sys, time
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
end = time.monotonic() + 1.5
while time.monotonic() < end: pass
print(time.process_time() / 1.5)
"""
_EAT = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
held = [bytearray(b"x" * (1 << 20)) for _ in range(200)]
"""


@pytest.fixture(scope="module")
def own(machine: Container) -> Service:
    """A user's own unit, of a root whose name is hard to write down, with a short watchdog."""
    machine.read("loginctl", "enable-linger", USER)
    wait_until(
        lambda: machine.path(f"/run/user/{UID}/systemd/private").exists(), 20, "the user's manager runs"
    )
    service = Service(machine, UGLY, own=True)
    service.do("install", KONIVRER_WATCH_CHECK_INTERVAL="2")
    return service


@pytest.fixture(scope="module")
def system(machine: Container) -> Service:
    """A system unit, with narrow limits."""
    service = Service(machine, "served", own=False)
    service.do("install", KONIVRER_WATCH_CPU_QUOTA="20", KONIVRER_WATCH_MEMORY_MAX="160M")
    return service


@pytest.mark.parametrize("which", ["own", "system"])
def test_the_service_runs_as_the_user_and_a_save_is_judged(
    which: str, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(which)
    service.wait_healthy()
    service.write("saved.py", "import sys\n")
    code, status = service.status("--sync", "--findings")
    assert (code, status["launcher"]) == (0, "systemd")
    assert "saved.py" in [finding["path"] for finding in status["findings_list"]]


@pytest.mark.parametrize("which", ["own", "system"])
def test_only_the_state_can_be_written(
    which: str, machine: Container, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(which)
    mounts = {}
    for line in machine.read("cat", f"/proc/{service.pid}/mountinfo").splitlines():
        fields = line.split()
        mounts[fields[4]] = fields[5].split(",")
    assert "ro" in mounts["/"]
    assert "rw" in mounts[service.state]
    assert service.root not in mounts
    owner = machine.read("stat", "-c", "%U", f"/proc/{service.pid}")
    assert owner == USER


def test_a_killed_service_is_back_within_three_seconds(own: Service) -> None:
    before = own.pid
    own.send("KILL")
    assert own.wait_back(before, 10) < 3
    own.wait_healthy()
    code, status = own.status()
    assert (code, status["restarts"]) == (0, 1)


def test_a_hung_service_is_ended_by_the_watchdog(own: Service) -> None:
    before = own.pid
    own.send("STOP")
    # The interval is 2 s; then come the restart's second and the backoff.
    own.wait_back(before, 10)
    own.wait_healthy()


def test_a_removed_state_folder_is_made_again_outside_the_sandbox(
    machine: Container, own: Service, system: Service
) -> None:
    machine.read("rm", "-rf", own.state, user=USER)
    for service in (own, system):
        service.wait_healthy(30)
    assert machine.read("stat", "-c", "%U %a", own.state) == f"{USER} 700"


def test_a_system_unit_starts_where_its_state_folder_is_still_to_be_made(machine: Container) -> None:
    service = Service(machine, "fresh", own=False)
    state = {"KONIVRER_WATCH_STATE_DIR": f"{HOME}/fresh-state/inner"}
    service.do("install", **state)
    assert machine.read("stat", "-c", "%U %a", state["KONIVRER_WATCH_STATE_DIR"]) == f"{USER} 700"
    service.do("uninstall", **state)


def test_a_crash_loop_slows_down_and_says_so(system: Service) -> None:
    waits = []
    for _ in range(2):
        before = system.pid
        system.send("KILL")
        waits.append(system.wait_back(before, 20))
    assert waits[1] > waits[0] + 0.2
    assert system.status()[1]["restarts"] >= 2
    before = system.pid
    system.send("KILL")
    wait_until(lambda: system.show("StatusText").startswith("crashed: "), 10, "systemctl tells of the wait")
    code, status = system.status()
    assert code != 0
    assert "in a row" in str(status["reason"])
    system.wait_back(before, 20)


def test_no_more_cpu_is_used_than_the_quota_allows(machine: Container, system: Service) -> None:
    share = float(machine.read("/usr/bin/python3", "-c", _BURN, str(system.group("cpu"))))
    assert share < 0.3


def test_a_service_that_outgrows_its_memory_is_back(machine: Container, system: Service) -> None:
    before = system.pid
    # The kernel ends the likeliest first: the daemon, and then whoever goes on eating.
    machine.read("sh", "-c", f"echo 1000 >/proc/{before}/oom_score_adj")
    machine.run("/usr/bin/python3", "-c", _EAT, str(system.group("memory")))
    system.wait_back(before, 15)
    system.wait_healthy()


def test_after_a_reboot_both_run_again(machine: Container, own: Service, system: Service) -> None:
    machine.reboot()
    for service in (own, system):
        service.wait_healthy(30)
        assert service.status()[1]["launcher"] == "systemd"


@pytest.mark.parametrize("which", ["own", "system"])
def test_uninstalled_nothing_is_left(which: str, machine: Container, request: pytest.FixtureRequest) -> None:
    service: Service = request.getfixturevalue(which)
    # Whoever is root may: here without sudo, of a root that is no longer there.
    machine.read("mv", service.root, f"{service.root}.moved")
    service.do("uninstall", SUDO_USER="")
    machine.read("mv", f"{service.root}.moved", service.root)
    code, status = service.status()
    assert code == 3
    assert "systemctl" not in str(status)
    digest = service.unit.removesuffix(".service")[-12:]
    assert machine.run("find", service.state, "-path", f"*-{digest}/service.json").stdout == ""
    assert service.show("LoadState") == "not-found"
    places = ("/etc/systemd", "/run/systemd/system", f"{HOME}/.config", f"{HOME}/.local/share")
    assert machine.run("find", *places, "-name", f"*{service.unit}*").stdout == ""
    assert machine.run("pgrep", "-f", f"konivrer_watch.*{service.root[-6:]}").stdout == ""


def test_linger_comes_with_the_install_and_goes_with_the_uninstall(machine: Container) -> None:
    # root may let itself linger without a policy that says so.
    machine.read("systemctl", "start", "user@0.service")
    service = Service(machine, "roots", own=True, user="root")
    linger = machine.path("/var/lib/systemd/linger/root")
    assert service.do("install").splitlines()[0].endswith("runs now, and from boot on")
    assert linger.exists()
    assert "linger" in service.do("uninstall")
    assert not linger.exists()


def test_who_may_not_linger_is_told_what_that_means(machine: Container, own: Service) -> None:
    machine.read("loginctl", "disable-linger", USER)
    machine.read("systemctl", "start", f"user@{UID}.service")
    # Whatever the policy of the machine is: there is no room for the mark.
    machine.read("sh", "-c", "cd /var/lib/systemd && rmdir linger && touch linger")
    told = own.do("install")
    assert "it ends when you log out, and does not start at boot" in told
    assert f"loginctl enable-linger {USER}" in told
    own.do("uninstall")


def test_a_user_without_namespaces_is_served_all_the_same(machine: Container, own: Service) -> None:
    # As where a security module keeps them from users.
    machine.read("mkdir", "-p", f"/run/systemd/system/user@{UID}.service.d")
    denied = machine.path(f"/run/systemd/system/user@{UID}.service.d/denied.conf")
    denied.write_text("[Service]\nRestrictNamespaces=~user\n")
    machine.read("systemctl", "daemon-reload")
    machine.read("systemctl", "restart", f"user@{UID}.service")
    told = own.do("install")
    assert "it runs without file system protection" in told
    own.wait_healthy()
    own.do("uninstall")


def test_without_a_manager_the_install_says_what_to_do(machine: Container) -> None:
    machine.read("systemctl", "stop", f"user@{UID}.service")
    done = machine.run(*COMMAND, "service", "install", f"{HOME}/served", user=USER)
    assert done.returncode == 2
    assert "no user bus" in done.stderr
