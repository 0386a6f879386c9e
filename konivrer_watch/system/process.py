"""The background service's processes: the daemon as a supervisor's child, and the supervisor itself, detached.

Each runs in ``/``.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from konivrer_watch.core.model import Launcher
from konivrer_watch.system.command import OURS, supervisor_command
from konivrer_watch.system.handle import Handle
from konivrer_watch.system.strays import end_strays

_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 4096
_KILL_SECONDS = 5.0
# Of a service manager that runs us: none of our child's business.
_NOT_INHERITED = frozenset({"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})


class Child:
    """The daemon, with the line on which it says that it lives, and the end of what it wrote on standard error."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket) -> None:
        self._process = process
        self._line = line
        self._tail = bytearray()
        self.pid = process.pid
        self._handle = Handle(process.pid)
        line.setblocking(False)
        if process.stderr is not None:
            os.set_blocking(process.stderr.fileno(), False)

    async def hear(self) -> bytes:
        """Return what it says next, some whole or partial lines; nothing once it has closed its end."""
        while True:
            await anyio.wait_readable(self._line)
            try:
                return self._line.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                return b""

    async def collect(self) -> None:
        """Keep the end of what it writes on standard error, until it has closed that."""
        while self._process.stderr is not None:
            await anyio.wait_readable(self._process.stderr)
            if not self._read_some():
                return

    async def wait(self) -> int:
        """Return its exit code, negative for a signal, once it has ended."""
        while (code := self._process.poll()) is None:
            if self._handle.descriptor is None:
                return await anyio.to_thread.run_sync(self._process.wait, abandon_on_cancel=True)
            await anyio.wait_readable(self._handle.descriptor)
        return code

    def kill_nowait(self) -> None:
        """End it at once, also where it is stopped."""
        if self._process.returncode is None:
            self._handle.send(signal.SIGKILL)

    async def end(self, grace: float) -> list[int]:
        """End it, by force after ``grace`` seconds, and then whatever it left; return what would not end.

        Not to be cancelled.
        """
        with anyio.move_on_after(grace):
            if self._process.returncode is None:
                self._handle.terminate()
            await self.wait()
        self.kill_nowait()
        # Bounded, for a process that waits for a dead disk cannot be killed.
        with anyio.move_on_after(_KILL_SECONDS):
            await self.wait()
        left = await end_strays()
        self._read_some()
        return left

    def last_words(self) -> str:
        """Return the end of what it wrote on standard error."""
        return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        """Give back what is open. It has ended by then."""
        self._line.close()
        self._handle.close()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _read_some(self) -> bool:
        """Read what there is; return whether more may come."""
        if self._process.stderr is None:
            return False
        try:
            while data := os.read(self._process.stderr.fileno(), 65536):
                self._tail += data
                del self._tail[:-_TAIL_BYTES]
        except BlockingIOError:
            return True
        return False


def spawn_daemon(root: Path, interval: float, environment: Mapping[str, str]) -> Child:
    """Start the daemon of a root, which is to say within each ``interval`` (seconds) that it lives.

    It is started by this very thread, whose end it does not survive. Raises ``OSError`` where it cannot be started.
    """
    command: list[str | Path] = [*OURS, "_serve", "--launcher", Launcher.DIRECT, root]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with theirs:
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env={**_inherited(environment), "WATCHDOG_USEC": str(round(interval * 1e6))},
                process_group=0,
            )
        return Child(process, ours)
    except OSError:
        ours.close()
        raise


class Detached:
    """A supervisor that was started, and is nobody's: it outlives whoever started it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def exit_code(self) -> int | None:
        """Return what it ended with, negative for a signal; ``None`` while it runs."""
        return self._process.poll()


def spawn_supervisor(root: Path, environment: Mapping[str, str]) -> Detached:
    """Start the supervisor of a root: own session, no terminal, nothing of ours open, files for its owner alone.

    Raises ``OSError`` where it cannot be started.
    """
    process = subprocess.Popen(
        supervisor_command(root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_inherited(environment),
        start_new_session=True,
        umask=0o077,
    )
    return Detached(process)


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _NOT_INHERITED}


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, even while it is stopped (PR_SET_PDEATHSIG, prctl(2)).

    Linux means the thread that started us. Ends this process where the parent went meanwhile.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(0)
