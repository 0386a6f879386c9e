"""A machine of our own: this one's files under an overlay, booted by systemd-nspawn in namespaces that end with us.

systemd must never be started on the machine itself, where it would move every process into its own control group. All
mounts lie in a mount namespace, all processes in a process namespace whose first process is killed when the test run
ends, however it ends; so nothing stays but empty control groups, which are removed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

CHECKOUT = Path(__file__).parents[3]
USER, UID = "ada", 4321
HOME = f"/home/{USER}"
COMMAND = (sys.executable, "-I", "-m", "konivrer_watch.cli")
_TOOLS = ("systemd-nspawn", "nsenter", "unshare", "setpriv", "systemctl", "runuser")
# Six seconds on a machine of its own; a crowded one takes its time.
_BOOT_SECONDS = 120
_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")
_CGROUPS = Path("/sys/fs/cgroup")
# What nspawn and the systemd in it make below our own control groups.
_MADE = (
    "payload",
    "supervisor",
    "init.scope",
    "system.slice",
    "user.slice",
    "machine.slice",
    "dev-hugepages.mount",
)

# A container that reboots ends with 133, and is begun again.
_SCRIPT = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
echo 0123456789abcdef0123456789abcdef >etc/machine-id
rm -rf etc/systemd/system/*.wants etc/systemd/user/*.wants var/lib/systemd/linger
chroot . useradd --create-home --uid "$3" "$2"
shift 3
binds=
for place; do
  # nspawn has a /tmp of its own.
  case "$place" in /tmp/* | /var/tmp/*) binds="$binds --bind-ro=$place" ;; esac
  # What runs in there may be another user's, and so closed to this one.
  while [ "$place" != / ]; do chmod a+rx ".$place"; place=$(dirname "$place"); done
done
code=133
while [ $code = 133 ]; do
  code=0
  systemd-nspawn -q -D . -M konivrer-watch-test --boot --register=no --keep-unit --private-network \
    --console=pipe $binds systemd.unit=multi-user.target </dev/null || code=$?
done
"""


def missing() -> str | None:
    """Why no container can be had here; ``None`` if one can be tried."""
    if os.geteuid() != 0:
        return "a container needs root"
    absent = [name for name in _TOOLS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    apart = [
        path for path in (CHECKOUT, Path(sys.base_prefix)) if path.stat().st_dev != Path("/").stat().st_dev
    ]
    return f"not on the root file system, which the overlay shows: {apart[0]}" if apart else None


class ContainerFault(Exception):
    """The container did not come up; the message says what it said."""


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Return after how many seconds the condition held; fails where it does not in time."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - began


class Container:
    """Boots when entered, and is gone when left."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "console"
        self._mount = folder / "machine"
        self._mount.mkdir()
        self._leader = 0
        self._groups_before = _tops()

    def __enter__(self) -> Self:
        inside = ("sh", "-c", _SCRIPT, "sh", str(self._mount), USER, str(UID))
        open_to_all = (
            str(CHECKOUT),
            str(Path(sys.executable).parent),
            os.path.realpath(Path(sys.executable).parent),
        )
        base = str(Path(sys.base_prefix) / "bin")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (
                    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"),
                    *("--kill-child=KILL", "--mount-proc", *inside, *open_to_all, base),
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_booted()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def run(
        self, *command: str, user: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root or as a user with that one's environment."""
        home = HOME if user == USER else "/root"
        uid = UID if user == USER else 0
        environment = {
            **{"HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": f"/run/user/{uid}"},
            "KONIVRER_WATCH_RESOURCE_THRESHOLD": "100",
            **variables,
        }
        if user is None:
            del environment["XDG_RUNTIME_DIR"]
        words = ["env", "-i", *(f"{key}={value}" for key, value in environment.items()), *command]
        became = ["runuser", "-u", user, "--"] if user not in (None, "root") else []
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", *became, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            # Should it send a signal to its process group, the test run is not in it.
            start_new_session=True,
        )

    def read(self, *command: str, user: str | None = None) -> str:
        """Return what a command that must work prints."""
        done = self.run(*command, user=user)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def path(self, path: str) -> Path:
        """Where a path inside is for us."""
        return Path(f"/proc/{self._leader}/root{path}")

    def reboot(self) -> None:
        """Boot anew, as ``systemctl reboot`` does."""
        leader = self._leader
        self.run("systemctl", "reboot", "--no-block")
        wait_until(lambda: not Path(f"/proc/{leader}").exists(), 30, "the machine goes down")
        self._wait_booted()

    def _wait_booted(self) -> None:
        began = time.monotonic()
        while not (self._find_leader() and self._is_up()):
            if self._process.poll() is not None or time.monotonic() - began > _BOOT_SECONDS:
                raise ContainerFault(
                    self._log.read_text(errors="replace").strip()[-300:] or "no boot in time"
                )
            time.sleep(0.05)
        # nspawn shows version 1's controllers read-only: limits would be noted and not enforced.
        for name in _CONTROLLERS:
            if (_CGROUPS / name).is_dir():
                self.read("mount", "-o", "remount,bind,rw", str(_CGROUPS / name))
        # It lays a boot's name of its own over the kernel's, which a unit with a /proc of its own does not see.
        self.read("umount", "/proc/sys/kernel/random/boot_id")
        self.run("systemctl", "daemon-reexec")

    def _find_leader(self) -> bool:
        pids = [self._process.pid]
        while pids:
            pid = pids.pop()
            if _name(pid) == "systemd":
                self._leader = pid
                return True
            pids += _children(pid)
        return False

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def _end(self) -> None:
        # It takes its child, the first process of the namespace, and so all others with it.
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        made = _tops() - self._groups_before
        wait_until(
            lambda: all([_remove_empty(top) for top in made if top.is_dir()]), 10, "its groups are empty"
        )


def _tops() -> set[Path]:
    """The control groups below ours that have a name of ``_MADE``."""
    found = set()
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        mount = _CGROUPS / (names.removeprefix("name=") or "unified")
        parent = (mount if mount.is_dir() else _CGROUPS) / path.lstrip("/")
        found |= {parent / name for name in _MADE if (parent / name).is_dir()}
    return found


def _remove_empty(top: Path) -> bool:
    """Remove a control group and all below it; false while one of them holds a process."""
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            os.rmdir(folder)
    except OSError:
        return False
    return True


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
