"""A background service for a test: all its processes are found by a variable of its own, and none is left behind."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.system.record import read_record
from tests.whole.program import crowding, run

MARK = "KONIVRER_TEST_MARK"
WORKER = "konivrer_watch.daemon.worker"


class Background:
    """The service of ``root``, with a state folder of its own below ``folder``."""

    def __init__(self, root: Path, folder: Path, interval: float = 60.0) -> None:
        self.root = root
        self.state = folder / "state"
        self.environment: Mapping[str, str] = {
            MARK: str(folder),
            "KONIVRER_WATCH_STATE_DIR": str(self.state),
            "KONIVRER_WATCH_RESOURCE_THRESHOLD": "100",
            "KONIVRER_WATCH_CHECK_INTERVAL": f"{interval:g}",
        }

    def call(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command on the root; return its exit code and what it wrote."""
        ended = run(*arguments, self.root, environment=self.environment)
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    def start(self) -> None:
        """Start it; it serves then."""
        code, out, errors = self.call("start")
        assert (code, errors) == (0, ""), (code, out, errors, self.service_log())

    def status(self) -> Any:
        """What it says of itself."""
        return json.loads(self.call("status", "--format", "json")[1])

    @property
    def own(self) -> Path:
        """The root's state folder."""
        (folder,) = self.state.glob(f"{self.root.name}-*")
        return folder

    def record(self) -> ServiceRecord:
        """What is on disk."""
        record = read_record(self.own)
        assert record is not None
        return record

    def service_log(self) -> str:
        """What the supervisor wrote."""
        return "".join(path.read_text() for path in self.state.glob("*/logs/auto-service-continuous.log"))

    def processes(self) -> list[psutil.Process]:
        """Every process that has our mark and has not ended."""
        wanted = f"{MARK}={self.environment[MARK]}".encode()
        return [process for process in psutil.process_iter() if _has(process.pid, wanted) and _lives(process)]

    def having(self, word: str) -> list[psutil.Process]:
        """Those of them that have a word in their command line."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                words, parent = process.cmdline(), process.parent()
                # Between vfork and exec a child shows its parent's command line.
                if word in words and (parent is None or parent.cmdline() != words):
                    found.append(process)
        return found

    def daemon(self) -> psutil.Process | None:
        """The daemon, where there is one."""
        return next(iter(self.having("_serve")), None)

    def supervisor(self) -> psutil.Process:
        """The supervisor."""
        (process,) = self.having("_supervise")
        return process

    def wait_for(self, wanted: Callable[[], bool], seconds: float) -> float:
        """Return how many seconds passed until ``wanted``, on a machine of its own."""
        began = time.monotonic()
        while not wanted():
            waited = time.monotonic() - began
            assert waited < seconds * max(crowding(), 1), (seconds, self.service_log())
            time.sleep(0.02)
        return time.monotonic() - began

    def serves_anew(self, old: int) -> bool:
        """Whether another daemon than ``old`` answers."""
        pid = self.status()["pid"]
        return pid is not None and pid != old and self.call("status")[0] != 3

    def clean_up(self) -> None:
        """End whatever is left, however it is."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)


@contextmanager
def background(root: Path, folder: Path, interval: float = 60.0) -> Iterator[Background]:
    """A service for the length of the block, not started yet."""
    service = Background(root, folder, interval)
    try:
        yield service
    finally:
        service.clean_up()


def _has(pid: int, variable: bytes) -> bool:
    try:
        return variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
    except psutil.NoSuchProcess:
        return False
