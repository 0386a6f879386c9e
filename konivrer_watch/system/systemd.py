"""systemd's two managers, through ``systemctl`` and ``loginctl``: the only file that runs them.

Each call has a deadline. What a manager refuses becomes a ``StopError`` with its own words.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.system.programs import find_program

_DEADLINE_SECONDS = 10.0
# A unit's own TimeoutStartSec and TimeoutStopSec end sooner.
_JOB_SECONDS = 150.0
SYSTEM_FOLDER = Path("/etc/systemd/system")
"""Where the machine's administrator keeps units (systemd.unit(5), "Unit File Load Path")."""

_CONTROLLERS = ("cpu", "memory")


class UnitState(msgspec.Struct, frozen=True):
    """What the manager says of a unit: ``active``, ``activating`` …; why it last ended, and its control group."""

    active: str
    result: str
    exit_status: int
    status_text: str
    group: str


def unit_folder(*, of_user: bool, environment: Mapping[str, str]) -> Path:
    """Return where a manager's units are kept: the system's, or that of the user we are."""
    if not of_user:
        return SYSTEM_FOLDER
    home = Path(environment.get("HOME", "") or Path.home())
    configured = Path(environment.get("XDG_CONFIG_HOME", ""))
    return (configured if configured.is_absolute() else home / ".config") / "systemd" / "user"


def read_file(file: Path) -> str | None:
    """Return a unit's file; ``None`` where there is none. Raises ``StopError``."""
    try:
        return file.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StopError(f"{file} cannot be read: {error.strerror}") from error


class Systemd:
    """One manager: the system's, or that of the user we are (``of_user``).

    Raises ``UsageFault`` where it cannot be reached, saying what to do.
    """

    def __init__(self, *, of_user: bool, environment: Mapping[str, str]) -> None:
        search_path = environment.get("PATH", os.defpath)
        systemctl = find_program("systemctl", search_path)
        if systemctl is None:
            raise UsageFault(
                "systemd is not here (no systemctl on PATH); 'konivrer-watch start' keeps the service alive without it"
            )
        self._loginctl = find_program("loginctl", search_path)
        self._environment = dict(environment)
        self._command = [systemctl, "--user" if of_user else "--system", "--no-pager", "--no-ask-password"]
        if of_user:
            # Logins without PAM (cron, su) lack the variable while the manager runs all the same.
            self._environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
        self.folder = unit_folder(of_user=of_user, environment=environment)
        self._reach(of_user)

    def read(self, unit: str) -> str | None:
        """Return the unit's file; ``None`` where it is not installed."""
        return read_file(self.folder / unit)

    def others(self, unit: str, pattern: str) -> list[str]:
        """Return the names of other units of this manager's folder that match ``pattern``."""
        return sorted(file.name for file in self.folder.glob(pattern) if file.name != unit)

    def write(self, unit: str, text: str) -> None:
        """Replace the unit's file, whole or not at all, and let the manager read it."""
        fresh = self.folder / f".{unit}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, "utf-8")
            fresh.chmod(0o644)
            fresh.replace(self.folder / unit)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StopError(f"{self.folder / unit} cannot be written: {error.strerror}") from error
        self._demand("daemon-reload")

    def run_at_boot(self, unit: str) -> None:
        """Let the unit start with the machine, or with the user's manager."""
        self._demand("enable", "--quiet", unit)

    def restart(self, unit: str) -> None:
        """Start the unit, or start it anew, and wait until it serves or has failed to. ``state`` tells which."""
        self._call("restart", unit, deadline=_JOB_SECONDS)

    def remove(self, unit: str) -> None:
        """Stop the unit, and leave neither its file nor a trace in the manager."""
        self._call("disable", "--now", "--quiet", unit, deadline=_JOB_SECONDS)
        try:
            (self.folder / unit).unlink(missing_ok=True)
        except OSError as error:
            raise StopError(f"{self.folder / unit} cannot be removed: {error.strerror}") from error
        self._demand("daemon-reload")
        # It fails where nothing is left to be forgotten.
        self._call("reset-failed", unit)

    def state(self, unit: str) -> UnitState:
        """Return how the unit is."""
        keys = ("ActiveState", "Result", "ExecMainStatus", "StatusText", "ControlGroup")
        told = self._demand("show", "--property", ",".join(keys), unit)
        values = dict(line.partition("=")[::2] for line in told.splitlines())
        active, result, status, text, group = (values.get(key, "") for key in keys)
        return UnitState(active, result, int(status) if status.isdigit() else 0, text, group)

    def unlimited(self, state: UnitState) -> list[str]:
        """Return which limits the manager cannot enforce on a running unit, by controller (cgroup v2)."""
        try:
            held = Path(f"/sys/fs/cgroup{state.group}/cgroup.controllers").read_text().split()
        except OSError:
            # Version 1 hands no controllers to a user's manager; the system's has all.
            held = [] if "--user" in self._command else list(_CONTROLLERS)
        return [name for name in _CONTROLLERS if name not in held] if state.group else []

    def lingers(self, user: str) -> bool:
        """Whether the user's manager runs without a login, and so from boot on."""
        return self._logind("show-user", "--property=Linger", "--value", user) == "yes"

    def linger(self, user: str, *, on: bool) -> str | None:
        """Let the user's manager run without a login, or no longer; return why that was refused."""
        try:
            self._logind_demand("enable-linger" if on else "disable-linger", user)
        except StopError as error:
            return str(error)
        return None

    def _logind(self, *arguments: str) -> str:
        try:
            return self._logind_demand(*arguments)
        except StopError:
            # A user who neither lingers nor is logged in is unknown to it.
            return ""

    def _logind_demand(self, *arguments: str) -> str:
        if self._loginctl is None:
            raise StopError("there is no loginctl on PATH")
        command = [self._loginctl, "--no-ask-password", *arguments]
        return _run(command, self._environment, _DEADLINE_SECONDS).strip()

    def _reach(self, of_user: bool) -> None:
        try:
            self._demand("show", "--property=Version")
        except StopError as error:
            which = "your own systemd manager (no user bus)" if of_user else "systemd"
            instead = (
                "log in as this user (ssh, console, 'machinectl shell'), not by su or sudo, or use 'sudo … --system'"
                if of_user
                else "this machine was not booted with it"
            )
            raise UsageFault(
                f"{which} cannot be reached: {error}; {instead}; 'konivrer-watch start' works without"
            ) from error

    def _demand(self, *arguments: str) -> str:
        return _run([*self._command, *arguments], self._environment, _DEADLINE_SECONDS)

    def _call(self, *arguments: str, deadline: float = _DEADLINE_SECONDS) -> None:
        """Ask for what may fail; how the unit then is tells more than the words."""
        try:
            _run([*self._command, *arguments], self._environment, deadline)
        except StopError:
            return


def _run(command: Sequence[str], environment: Mapping[str, str], deadline: float) -> str:
    """Return what a program prints. Raises ``StopError`` with its words where it fails or is silent."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline,
            check=False,
            cwd="/",
            env={**environment, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise StopError(f"{Path(command[0]).name} did not answer within {deadline:g} s") from error
    except OSError as error:
        raise StopError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise StopError(f"{Path(command[0]).name}: {words.splitlines()[0]}")
    return done.stdout.decode(errors="replace")
