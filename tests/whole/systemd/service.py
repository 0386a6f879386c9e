"""One root's service in the container, as its user sees it and as its manager does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.whole.systemd.container import COMMAND, HOME, USER, Container, wait_until

_FILES = {"a.py": "import os\n"}


class Service:
    """A root below the user's home, and the unit that watches it: the user's own, or the machine's."""

    def __init__(
        self,
        container: Container,
        name: str,
        *,
        own: bool,
        user: str = USER,
        files: Mapping[str, str] = _FILES,
    ) -> None:
        self._container = container
        self._own = own
        self._user = user
        self.root = f"{HOME if user == USER else '/root'}/{name}"
        container.read("mkdir", "-p", self.root, user=user)
        for file, text in files.items():
            self.write(file, text)
        found = container.read(*COMMAND, "service", "show", self.root, user=user)
        (state,) = [line for line in found.splitlines() if "STATE_DIR" in line]
        self.state = state.partition("STATE_DIR=")[2].rstrip('"')
        self.unit = ""

    def write(self, name: str, text: str) -> None:
        """Save a file in the root."""
        script = 'printf %s "$1" >"$2"'
        self._container.read("sh", "-c", script, "sh", text, f"{self.root}/{name}", user=self._user)

    def do(self, action: str, **variables: str) -> str:
        """Install or uninstall; return what it said."""
        scope = ("--user",) if self._own else ("--system",)
        # A system unit is installed by sudo.
        user, sudo = (self._user, {}) if self._own else (None, {"SUDO_USER": self._user})
        done = self._container.run(
            *COMMAND, "service", action, *scope, self.root, user=user, **{**sudo, **variables}
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.unit = done.stdout.split()[0]
        return done.stdout

    def show(self, key: str) -> str:
        """Return a property of the unit."""
        return self._systemctl("show", "--property", key, "--value", self.unit)

    @property
    def pid(self) -> int:
        """The daemon's process, as it is called inside; 0 where there is none."""
        return int(self.show("MainPID"))

    def send(self, signal: str) -> None:
        """Send a signal to the daemon alone."""
        pid = self.pid
        assert pid, "there is no process to send a signal to"
        self._container.read("kill", f"-{signal}", str(pid))

    def status(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code of ``status`` and what it says."""
        done = self._container.run(
            *COMMAND, "status", "--format", "json", *options, self.root, user=self._user
        )
        return done.returncode, json.loads(done.stdout)

    def wait_back(self, before: int, seconds: float) -> float:
        """Return after how many seconds another process than ``before`` serves, its backoff behind it."""
        return wait_until(lambda: self._is_back(before), seconds, "the service is back")

    def wait_healthy(self, seconds: float = 20.0) -> None:
        """Wait until ``status`` is content."""
        wait_until(lambda: self.status()[0] == 0, seconds, f"healthy; {self.status()[1]}")

    def group(self, controller: str) -> Path:
        """The daemon's control group, from inside."""
        lines = self._container.read("cat", f"/proc/{self.pid}/cgroup").splitlines()
        for line in lines:
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return Path(f"/sys/fs/cgroup/{controller}{path}")
        return Path(f"/sys/fs/cgroup{lines[-1].split(':', 2)[2]}")

    def _is_back(self, before: int) -> bool:
        told = self._systemctl("show", "--property", "MainPID,ActiveState,StatusText", self.unit)
        now = dict(line.partition("=")[::2] for line in told.splitlines())
        waits = now["StatusText"].startswith(("crashed", "FAILED"))
        return now["MainPID"] not in ("0", str(before)) and now["ActiveState"] == "active" and not waits

    def _systemctl(self, *arguments: str) -> str:
        scope, user = ("--user", self._user) if self._own else ("--system", None)
        return self._container.read("systemctl", scope, *arguments, user=user)
