"""A watcher of a small tree in this process, with real engines, stores, logs and socket, that is asked to heal."""

import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import psutil

from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.cli.watch import request_for, startup_pull
from konivrer_watch.core.events import Event
from konivrer_watch.core.model import Launcher, LogFile
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.app import watch
from konivrer_watch.daemon.ending import heed_signals
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.report.heal import HealJson, StepJson
from konivrer_watch.system.control_client import Heal, ask
from konivrer_watch.system.control_wire import socket_address
from konivrer_watch.system.logs import Logs, Severity
from konivrer_watch.system.notify import Notifier

OPTIONS: Mapping[str, object] = {"resource_threshold": 100, "debounce_ms": 10, "workers": 1}
PATIENCE_SECONDS = 30
UNUSED = "import os\n"


class Healed:
    """A background service's watcher, its last status, and its logs."""

    def __init__(self, root: Path, logs: Logs) -> None:
        self.root = root
        self.logs = logs
        self.status = Status()
        self.said: list[str] = []

    @property
    def folders(self) -> StateFolders:
        """Where its state lies."""
        return find_state(self.root, dict(os.environ))

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return find_socket(self.folders, dict(os.environ))

    def hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        """Take a note."""
        self.status = status

    def say(self, severity: Severity, text: str) -> None:
        """Take a note of what a heal says."""
        self.said.append(text)

    async def run(self) -> None:
        """Watch until cancelled."""
        record = ServiceRecord(Launcher.DIRECT, "boot", "then", "then")
        pull = startup_pull(self.root, Settings(pull=False), record)
        request = request_for(self.root, OPTIONS, record, pull, lambda: self.logs.fault, self.say)
        with Notifier(None, None, lifeline=False) as notifier, heed_signals() as ending:
            await watch(request, self.hear, notifier, ending)

    async def heal(self) -> HealJson:
        """Ask it for a heal, as the command does."""
        answer = await anyio.to_thread.run_sync(ask, [self.socket], Heal(), 60.0)
        return msgspec.json.decode(answer, type=HealJson)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once something holds."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await anyio.sleep(0.01)

    def codes(self, path: str) -> set[str]:
        """The codes of a file's findings."""
        file = self.status.files.get(path.encode())
        return set() if file is None else {finding.code for finding in file.findings}

    def workers(self) -> list[psutil.Process]:
        """Its engine workers."""
        found: list[psutil.Process] = []
        for each in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "konivrer_watch.daemon.worker" in each.cmdline():
                    found.append(each)
        return found


@asynccontextmanager
async def healing(root: Path) -> AsyncIterator[Healed]:
    """A watcher for the length of the block, from its first check and probe on."""
    own = find_state(root, dict(os.environ)).own
    with Logs(own / "logs", max_bytes=1 << 20, keep=2) as logs:
        seen = Healed(root, logs)
        async with anyio.create_task_group() as group:
            group.start_soon(seen.run)
            await seen.until(lambda: seen.status.as_of is not None and seen.status.probed is not None)
            logs.put_nowait(LogFile.AUTOMATION, Severity.INFO, "begun")
            await seen.until((own / "logs").exists)
            yield seen
            group.cancel_scope.cancel()


def step(heal: HealJson, name: str) -> StepJson:
    """One step of a heal."""
    (found,) = (each for each in heal.steps if each.name == name)
    return found


def old(path: Path, hours: float = 2.0) -> None:
    """Make a file look as if nobody had touched it for so long."""
    then = time.time() - hours * 3600
    os.utime(path, (then, then), follow_symlinks=False)


def leave_socket(path: Path) -> None:
    """Leave a socket at which nobody listens, as a process does that was killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left, socket_address(path) as address:
        left.bind(address)
    old(path)
