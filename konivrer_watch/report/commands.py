"""The commands that mend a service, fit to be pasted into a shell. Pure."""

import shlex

import msgspec

from konivrer_watch.core.model import Launcher, LogFile
from konivrer_watch.core.status import State
from konivrer_watch.report.status import StatusReport
from konivrer_watch.report.text import path_text

# What watchfiles says where inotify(7) has no watch left.
_NO_WATCHES = "file watch limit"
_LOG_OPTIONS = {LogFile.SERVICE: "--service", LogFile.AUTOMATION: "--automation", LogFile.HEAL: "--heal"}


class Commands(msgspec.Struct, frozen=True):
    """The commands for one root.

    ``unit`` is its systemd unit, one of the user's or of the whole system, which may not be installed (any more);
    ``container`` is the one that watches it.
    """

    root: bytes
    unit: str
    container: str
    is_users: bool = True
    is_installed: bool = True

    def start(self, launcher: Launcher | None) -> str:
        """Return what starts the service as it ran before; in the background where it never ran there."""
        match launcher:
            case Launcher.SYSTEMD if self.is_installed:
                return self._systemctl("start")
            case Launcher.DOCKER:
                return self._ours("service install --docker")
            case _:
                return self._ours("start")

    def stop(self, launcher: Launcher | None, pid: int | None) -> str:
        """Return what ends the service, however it runs; of systemd's until the next boot."""
        match launcher:
            case Launcher.SYSTEMD:
                return self._systemctl("stop")
            case Launcher.DOCKER:
                return self._ours("service uninstall --docker")
            case Launcher.TERMINAL if pid is not None:
                return f"kill {pid}"
            case _:
                return self._ours("stop")

    def leave(self, launcher: Launcher | None) -> str:
        """Return what ends the service for good, also after the next boot."""
        match launcher:
            case Launcher.SYSTEMD if self.is_users:
                return self._ours("service uninstall")
            case Launcher.SYSTEMD:
                return f"sudo {self._ours('service uninstall --system')}"
            case Launcher.DOCKER:
                return self._ours("service uninstall --docker")
            case _:
                return self._ours("stop")

    def restart(self, launcher: Launcher | None, pid: int | None, *, hangs: bool) -> str:
        """Return what ends the service and begins it anew."""
        match launcher:
            case Launcher.SYSTEMD:
                return self._systemctl("restart")
            case Launcher.DOCKER:
                return f"docker restart {shlex.quote(self.container)}"
            case Launcher.TERMINAL if pid is not None:
                # What hangs hears neither Ctrl-C nor SIGTERM.
                return f"kill {'-9 ' if hangs else ''}{pid}; then start it again: {self._ours('')}"
            case Launcher.TERMINAL | Launcher.DIRECT | None:
                return self._ours("restart")

    def look(self, launcher: Launcher | None) -> str:
        """Return what shows how its launcher is getting on."""
        match launcher:
            case Launcher.SYSTEMD:
                return self._systemctl("status")
            case Launcher.DOCKER:
                return f"docker ps --all --filter name={shlex.quote(self.container)}"
            case Launcher.TERMINAL | Launcher.DIRECT | None:
                return self.logs(LogFile.SERVICE)

    def status(self, root: bytes) -> str:
        """Return what tells how the service of another root is."""
        return f"konivrer-watch status {shell_word(root)}"

    def logs(self, file: LogFile) -> str:
        """Return what shows one of the logs."""
        return self._ours(f"logs {_LOG_OPTIONS[file]}")

    def _ours(self, words: str) -> str:
        return " ".join(["konivrer-watch", *words.split(), shell_word(self.root)])

    def _systemctl(self, verb: str) -> str:
        # The machine's units are root's to start and end, and anybody's to look at.
        manager = (
            "systemctl --user" if self.is_users else "systemctl" if verb == "status" else "sudo systemctl"
        )
        return f"{manager} {verb} {shlex.quote(self.unit)}"


def mended(report: StatusReport, commands: Commands) -> StatusReport:
    """Return the answer of a service with the command that mends what it says is wrong."""
    if report.healthy:
        return report
    if _NO_WATCHES in (report.reason or ""):
        # The source is built anew by itself, and then has room.
        return msgspec.structs.replace(report, mend="sudo sysctl fs.inotify.max_user_watches=1048576")
    known = {launcher.value: launcher for launcher in Launcher}
    mend = commands.restart(known.get(report.launcher or ""), report.pid, hangs=False)
    return msgspec.structs.replace(report, mend=mend)


def unguarded(report: StatusReport, supervisor_pid: int) -> StatusReport:
    """Return the answer of a service whose supervisor SIGSTOP has stopped: well, and without anybody to help it."""
    if not report.healthy:
        return report
    reason = (
        f"its supervisor (process {supervisor_pid}) is stopped (SIGSTOP): "
        "nobody ends the service when it hangs, or starts it again"
    )
    return msgspec.structs.replace(report, healthy=False, reason=reason, mend=f"kill -CONT {supervisor_pid}")


def parted(report: StatusReport, commands: Commands) -> StatusReport:
    """Return the status of a service whose folder cannot be entered any more: what would start it cannot."""
    known = {launcher.value: launcher for launcher in Launcher}
    reason = "the folder itself is gone, or not to be entered" + (
        f"; {report.reason}" if report.reason else ""
    )
    launcher = known.get(report.launcher or "")
    is_over = report.state == State.STOPPED and (
        launcher is not Launcher.SYSTEMD or not commands.is_installed
    )
    mend = None if is_over else commands.leave(launcher)
    return msgspec.structs.replace(report, healthy=False, reason=reason, mend=mend)


def shell_word(path: bytes) -> str:
    """Return a path as one word of a shell: as it is, in quotes, or in ``$'…'`` (POSIX.1-2024)."""
    text = path_text(path)
    if text.isprintable() and text.encode() == path:
        return shlex.quote(text)
    return "$'" + "".join([_quoted(byte) for byte in path]) + "'"


def _quoted(byte: int) -> str:
    char = chr(byte)
    # Three octal digits end by themselves; after \x some shells take more than two.
    return char if char.isascii() and char.isprintable() and char not in "\\'" else f"\\{byte:03o}"
