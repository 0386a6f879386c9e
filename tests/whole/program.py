"""Runs the program as a user does: a process of its own, with its output, its exit code and its children."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

PROGRAM = str(Path(sys.executable).with_name("konivrer-watch"))
DEADLINE = 60.0


def run(
    *arguments: str | bytes | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
    timeout: float = DEADLINE,
) -> subprocess.CompletedProcess[bytes]:
    """Run to the end; ``environment`` is put on top of ours, ``before`` is what the command is run through."""
    command = [*before, PROGRAM, *arguments]
    env = {**os.environ, **(environment or {})}
    ended = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
    )
    assert b"Traceback" not in ended.stderr, ended.stderr.decode(errors="replace")
    return ended


def report(*arguments: str | bytes | Path, cwd: Path | None = None, **rest: Any) -> tuple[int, Any]:
    """Exit code and parsed report of ``check --format json``."""
    ended = run("check", "--format", "json", *arguments, cwd=cwd, **rest)
    assert ended.stderr == b""
    return ended.returncode, json.loads(ended.stdout)


def codes(answer: Any, path: str) -> set[str]:
    """The codes found in one file."""
    return {finding["code"] for finding in answer["findings"] if finding["path"] == path}


def calm() -> dict[str, str]:
    """The environment for a watcher that does not wait for whatever else this machine has to do."""
    return {**os.environ, "KONIVRER_WATCH_RESOURCE_THRESHOLD": "100"}


def crowding() -> float:
    """How many times longer than alone work takes on this machine right now: 1 where nobody else computes.

    Promises in seconds are about the program, and not about what else the machine has to do while it is tested.
    """
    wall, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < 0.03:
        pass
    return max((time.monotonic() - wall) / 0.03, 1.0)


class Watcher:
    """A running ``konivrer-watch``, its output line by line."""

    def __init__(self, root: Path, *arguments: str) -> None:
        command = [PROGRAM, *arguments, str(root)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=calm()
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._read = 0
        self._thread = threading.Thread(target=self._pump, args=(self.process.stdout,))
        self._thread.start()

    def _pump(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._queue.put(line.decode().removesuffix("\n"))
        self._queue.put(None)

    def wait_for(self, wanted: Callable[[str], bool], timeout: float = 20.0) -> str:
        """Return the next line, after those that were returned already, that is ``wanted``."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._queue.get(timeout=max(deadline - time.monotonic(), 0.001))
            assert line is not None, f"ended early: {self.lines} {self.errors()}"
            self.lines.append(line)
            if wanted(line):
                return line

    def errors(self) -> str:
        """What it wrote on standard error; waits for its end."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode(errors="replace")

    def children(self) -> list[psutil.Process]:
        """The processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM, timeout: float = 10.0) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds it took to end, on a machine of its own."""
        crowded = crowding()
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout)
        took = (time.monotonic() - started) / max(crowded, crowding())
        self._thread.join(timeout)
        while (line := self._queue.get(timeout=1)) is not None:
            self.lines.append(line)
        return code, took

    def close(self) -> None:
        """End it whatever it does, and leave nothing open."""
        self.process.kill()
        self.process.wait(10)
        self._thread.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def watching(root: Path, *arguments: str) -> Iterator[Watcher]:
    """A watcher for the length of the block."""
    watcher = Watcher(root, *arguments)
    try:
        yield watcher
    finally:
        watcher.close()


def is_summary(line: str) -> bool:
    """Whether a plain line says that the first check is done."""
    return line.startswith("checked ")


def gone(processes: Sequence[psutil.Process], timeout: float) -> bool:
    """Whether all end within ``timeout`` seconds of a free machine; one that only waits to be reaped has ended."""
    deadline = time.monotonic() + timeout * crowding()
    while any(_lives(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
