"""One root's supervisor with what it acts on: the lock that makes it the only one, the record, the processes."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from konivrer_watch.core.restart import SUPERVISOR_LOCK, ServiceRecord, unended
from konivrer_watch.daemon.supervisor import Over, Say, Supervisor
from konivrer_watch.report.commands import shell_word
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.process import Child, spawn_daemon
from konivrer_watch.system.record import boot_id, now_text, read_record, write_record
from konivrer_watch.system.strays import adopt_strays, reap_strays


async def supervise(
    root: Path, folder: Path, environment: Mapping[str, str], interval: Callable[[], float], say: Say
) -> None:
    """Keep the daemon of ``root`` alive until told to end; ``folder`` is the root's state folder.

    Raises ``LeaseHeldError`` where there is a supervisor already.
    """
    adopt_strays()
    over = None
    while over is not Over.STOPPED:
        holder = f"process {os.getpid()} (direct), since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        with hold_lease(folder / SUPERVISOR_LOCK, holder):
            over = await Supervisor(_Surroundings(root, folder, environment, interval, say)).run()


class _Surroundings:
    def __init__(
        self,
        root: Path,
        folder: Path,
        environment: Mapping[str, str],
        interval: Callable[[], float],
        say: Say,
    ) -> None:
        self._root = root
        self._folder = folder
        self._environment = environment
        self._fault: str | None = None
        self._held = self._inode()
        self.boot = boot_id()
        self.pid = os.getpid()
        self.before = unended(read_record(folder), self.boot, self.pid)
        self.anew = f"konivrer-watch restart {shell_word(bytes(root))}"
        self.interval = interval
        self.say = say
        self.now = now_text

    def spawn(self, interval: float) -> Child:
        return spawn_daemon(self._root, interval, self._environment)

    def record(self, record: ServiceRecord) -> None:
        fault = None
        try:
            write_record(self._folder, record)
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
            return os.stat(self._folder / SUPERVISOR_LOCK).st_ino
        except (FileNotFoundError, NotADirectoryError):
            return None
