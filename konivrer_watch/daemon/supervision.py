"""One root's supervisor with what it acts on: the lock that makes it the only one, the record, the processes."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.holder import holder_line
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import ServiceRecord, unended
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.supervisor import Over, Say, Supervisor
from konivrer_watch.report.commands import shell_word
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.process import Child, spawn_daemon
from konivrer_watch.system.record import boot_id, now_text, read_record, write_record
from konivrer_watch.system.strays import adopt_strays, reap_strays

# How long a disk may take to tell the settings.
_READ_SECONDS = 5.0


class Interval:
    """``check_interval`` in seconds: ``first``, and then whatever ``read`` returns.

    While the settings are at fault (``UsageFault``), or their disk does not answer, it is what it was before: the
    daemon names every fault, and cannot start with them either.
    """

    def __init__(self, first: float, read: Callable[[], float]) -> None:
        self._last = first
        self._read = read
        self._is_reading = False

    async def get(self) -> float:
        """Return it, as it is now, within seconds."""
        # A thread that a dead disk holds is there until that answers; one is enough.
        if not self._is_reading:
            with anyio.move_on_after(_READ_SECONDS):
                await anyio.to_thread.run_sync(self._read_again, abandon_on_cancel=True)
        return self._last

    def _read_again(self) -> None:
        self._is_reading = True
        try:
            self._last = self._read()
        except UsageFault:
            return
        finally:
            self._is_reading = False


async def supervise(
    root: Path, folders: StateFolders, environment: Mapping[str, str], interval: Interval, say: Say
) -> None:
    """Keep the daemon of ``root`` alive until told to end.

    Raises ``LeaseHeldError`` where there is a supervisor already.
    """
    adopt_strays()
    over = None
    while over is not Over.STOPPED:
        holder = holder_line(os.getpid(), Launcher.DIRECT, datetime.now(UTC))
        with hold_lease(folders.supervisor_lock, holder):
            over = await Supervisor(_Surroundings(root, folders, environment, interval, say)).run()


class _Surroundings:
    def __init__(
        self,
        root: Path,
        folders: StateFolders,
        environment: Mapping[str, str],
        interval: Interval,
        say: Say,
    ) -> None:
        self._root = root
        self._folders = folders
        self._environment = environment
        self._fault: str | None = None
        self._held = self._inode()
        self.boot = boot_id()
        self.pid = os.getpid()
        self.before = unended(read_record(folders.own), self.boot, self.pid)
        self.anew = f"konivrer-watch restart {shell_word(bytes(root))}"
        self.interval = interval.get
        self.say = say
        self.now = now_text

    def spawn(self, interval: float) -> Child:
        return spawn_daemon(self._root, interval, self._environment)

    def record(self, record: ServiceRecord) -> None:
        fault = None
        try:
            write_record(self._folders.own, record)
        except OSError as error:
            fault = error.strerror or str(error)
        if fault is not None and fault != self._fault:
            self.say(Severity.WARNING, f"the service's record cannot be written: {fault}")
        self._fault = fault

    def reap(self, child: int | None) -> None:
        reap_strays(child)

    def is_ours(self) -> bool:
        try:
            inode = self._inode()
        except OSError:
            # Locked away, or on a disk that does not answer: that may pass, and ours it is still.
            return True
        return inode is not None and inode == self._held

    def _inode(self) -> int | None:
        try:
            return os.stat(self._folders.supervisor_lock).st_ino
        except (FileNotFoundError, NotADirectoryError):
            return None
