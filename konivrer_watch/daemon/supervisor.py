"""Keeps the daemon alive where neither systemd nor Docker does: starts it, hears that it lives, starts it again.

The daemon is ended where it is silent for too long; how long to wait for the next life is ``core/restart``'s to say.
"""

import signal
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

import anyio
from anyio.abc import TaskStatus

from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import (
    ServiceRecord,
    begin,
    crashed,
    ending,
    has_just_failed,
    pause,
    restarted,
    steadied,
    stopped,
)
from konivrer_watch.system.logs import Severity

START_SECONDS = 10.0
"""How long the daemon may be silent, at least, until it is ready for the first time, or again."""

_STEADY_SECONDS = 60.0
_GRACE_SECONDS = 10.0
# We were stopped, or had no processor, ourselves: the silence may be ours.
_OVERSLEPT_SECONDS = 1.0
_LONGEST_LINE = 4096

Say = Callable[[Severity, str], None]


class Child(Protocol):
    """A life of the daemon; see ``system/process``."""

    @property
    def pid(self) -> int:
        """The process's number."""

    async def hear(self) -> bytes:
        """Return what it says next; nothing once it says no more."""

    async def collect(self) -> None:
        """Keep its last words."""

    async def wait(self) -> int:
        """Return its exit code, negative for a signal."""

    def kill_nowait(self) -> None:
        """End it by force."""

    async def end(self, grace: float) -> Sequence[int]:
        """End it, and what it leaves; return what would not end."""

    def last_words(self) -> str:
        """Return the end of what it wrote on standard error."""

    def close(self) -> None:
        """Give back what is open."""


class Surroundings(Protocol):
    """What a supervisor acts on: processes, the record on disk, its lock, the log, and the wall clock."""

    boot: str
    pid: int

    def interval(self) -> float:
        """Return ``check_interval`` in seconds, as it is set now."""

    def spawn(self, interval: float) -> Child:
        """Start a life of the daemon. Raises ``OSError``."""

    def record(self, record: ServiceRecord) -> None:
        """Put the record on disk, where that is possible."""

    def upkeep(self, child: int | None) -> bool:
        """Reap strays, all but ``child``; return whether the lock is still the one we took."""

    def say(self, severity: Severity, text: str) -> None:
        """Write to the service log."""

    def now(self) -> str:
        """Return the present instant."""


class Over(StrEnum):
    """Why a supervisor ended."""

    STOPPED = "stopped"
    STATE_LOST = "state lost"


class Supervisor:
    """Supervises one root's daemon."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._record = begin(None, Launcher.DIRECT, surroundings.boot, surroundings.now(), surroundings.pid)
        self._scope = anyio.CancelScope()
        self._over = Over.STOPPED
        self._child: Child | None = None
        self._interval = surroundings.interval()
        self._heard = 0.0
        self._is_ready = False
        self._hung: str | None = None

    async def run(self) -> Over:
        """Supervise until SIGTERM or SIGINT, or until the lock is no longer ours; the daemon has ended by then."""
        with self._scope:
            async with anyio.create_task_group() as group:
                await group.start(self._end_on_signal)
                group.start_soon(self._see_to_lock)
                await self._keep()
        if self._over is Over.STOPPED:
            self._around.record(stopped(self._record, self._around.now()))
            self._around.say(Severity.INFO, "stopped, as it was told to")
        return self._over

    async def _keep(self) -> None:
        """One life after the other."""
        around = self._around
        around.say(Severity.INFO, f"supervisor started, process {around.pid}")
        while True:
            around.record(self._record)
            reason = await self._live()
            self._record = crashed(self._record, reason, around.now())
            around.record(self._record)
            self._tell_crash(reason)
            await anyio.sleep(pause(self._record))
            self._record = restarted(self._record, around.now())

    def _tell_crash(self, reason: str) -> None:
        failures, again = self._record.failures, f"it is tried again in {pause(self._record):g} s"
        self._around.say(Severity.WARNING, f"the daemon crashed: {reason}; {failures} in a row; {again}")
        if has_just_failed(self._record):
            self._around.say(
                Severity.ERROR,
                f"FAILED: the daemon crashed {failures} times in a row, the last time: {reason}. From now on "
                f"{again} each time; correct the cause and run 'konivrer-watch restart'",
            )

    async def _live(self) -> str:
        """Run one life to its end; return what ended it."""
        around = self._around
        self._interval = around.interval()
        self._heard, self._is_ready, self._hung = anyio.current_time(), False, None
        ready = anyio.Event()
        try:
            child = self._child = around.spawn(self._interval)
        except OSError as error:
            return f"it cannot be started: {error.strerror or error}"
        again = f", restart {self._record.restarts}" if self._record.restarts else ""
        around.say(Severity.INFO, f"daemon started, process {child.pid}{again}")
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(child.collect)
                group.start_soon(self._listen, child, ready)
                group.start_soon(self._become_steady, ready)
                group.start_soon(self._end_if_silent, child)
                code = await child.wait()
                group.cancel_scope.cancel()
        finally:
            self._child = None
            with anyio.CancelScope(shield=True):
                left = await child.end(_GRACE_SECONDS)
            child.close()
            if left:
                numbers = ", ".join([str(pid) for pid in left])
                around.say(Severity.ERROR, f"left behind, for they cannot be killed: processes {numbers}")
        words = child.last_words()
        if self._hung or "\n" in words:
            around.say(Severity.WARNING, f"the daemon's last words: {words or 'none'}")
        return self._hung or ending(code, words)

    async def _listen(self, child: Child, ready: anyio.Event) -> None:
        """Take whatever it says as a sign of life."""
        rest = b""
        while data := await child.hear():
            self._heard = anyio.current_time()
            *lines, rest = (rest + data)[-_LONGEST_LINE:].split(b"\n")
            for line in lines:
                if line == b"READY=1":
                    self._is_ready = True
                    ready.set()
                elif line == b"STOPPING=1":
                    # It ends, or begins anew with other settings, which takes as long as a start.
                    self._is_ready = False

    async def _end_if_silent(self, child: Child) -> None:
        """Kill the daemon once it has said nothing for too long."""
        while True:
            patience = self._interval if self._is_ready else max(self._interval, START_SECONDS)
            now = anyio.current_time()
            due = self._heard + patience
            if now >= due:
                self._hung = f"hung: no sign of life for {patience:g} s"
                child.kill_nowait()
                return
            planned = min(due, now + self._interval)
            await anyio.sleep_until(planned)
            if anyio.current_time() > planned + _OVERSLEPT_SECONDS:
                self._heard = anyio.current_time()

    async def _become_steady(self, ready: anyio.Event) -> None:
        """Take note that this life has lasted."""
        steady_at = anyio.current_time() + min(self._interval, _STEADY_SECONDS)
        await ready.wait()
        await anyio.sleep_until(steady_at)
        if self._record.failures:
            self._around.say(Severity.INFO, "the daemon is steady again")
        self._record = steadied(self._record)
        self._around.record(self._record)

    async def _see_to_lock(self) -> None:
        while True:
            await anyio.sleep(self._interval)
            if not self._around.upkeep(self._child.pid if self._child else None):
                self._around.say(Severity.WARNING, "the state folder was removed: everything begins anew")
                self._end(Over.STATE_LOST)

    async def _end_on_signal(self, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                # A hangup is a terminal's, and we have none.
                if number is not signal.SIGHUP:
                    self._end(Over.STOPPED)

    def _end(self, over: Over) -> None:
        self._over = over
        self._scope.cancel()
