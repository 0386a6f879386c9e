"""Keeps the daemon alive where neither systemd nor Docker does: starts it, hears that it lives, starts it again.

The daemon is ended where it is silent for too long; how long to wait for the next life is ``core/restart``'s to say.
"""

import signal
from collections.abc import Callable
from enum import StrEnum

import anyio
from anyio.abc import TaskStatus

from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import (
    begin,
    crashed,
    ending,
    has_just_failed,
    pause,
    restarted,
    steadied,
    steady_after,
    stopped,
)
from konivrer_watch.daemon.supervised import Child, Surroundings
from konivrer_watch.system.logs import Severity

START_SECONDS = 10.0
"""How long the daemon may be silent, at least, until it is ready for the first time, or again."""

_GRACE_SECONDS = 10.0
# We were stopped, or had no processor, ourselves: the silence may be ours.
_OVERSLEPT_SECONDS = 1.0
_LONGEST_LINE = 4096
# Less than the daemon takes: who finds its new lock finds ours.
_LOOK_SECONDS = 5.0

Say = Callable[[Severity, str], None]


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
        self._why = ""
        self._child: Child | None = None
        self._interval = 0.0
        self._heard = 0.0
        self._is_ready = False
        self._hung: str | None = None

    async def run(self) -> Over:
        """Supervise until SIGTERM or SIGINT, or until the lock is no longer ours; the daemon has ended by then."""
        async with anyio.create_task_group() as heeding:
            # To the very end: a second signal, while all is put away, does no harm.
            await heeding.start(self._end_on_signal)
            with self._scope:
                async with anyio.create_task_group() as group:
                    self._interval = await self._around.interval()
                    group.start_soon(self._see_to_lock)
                    group.start_soon(self._see_to_strays)
                    await self._keep()
            if self._over is Over.STOPPED:
                self._around.record(stopped(self._record, self._around.now()))
                self._around.say(Severity.INFO, f"stopped by {self._why}")
            heeding.cancel_scope.cancel()
        return self._over

    async def _keep(self) -> None:
        """One life after the other."""
        around = self._around
        if around.before is not None:
            around.say(Severity.WARNING, around.before)
        around.say(Severity.INFO, f"supervisor started, process {around.pid}")
        while True:
            around.record(self._record)
            reason = await self._live()
            self._record = crashed(self._record, reason, around.now())
            around.record(self._record)
            self._tell_crash(reason)
            await anyio.sleep(pause(self._record))
            self._interval = await around.interval()
            self._record = restarted(self._record, around.now())

    def _tell_crash(self, reason: str) -> None:
        failures, again = self._record.failures, f"it is tried again in {pause(self._record):g} s"
        self._around.say(Severity.WARNING, f"the daemon crashed: {reason}; {failures} in a row; {again}")
        if has_just_failed(self._record):
            self._around.say(
                Severity.ERROR,
                f"FAILED: the daemon crashed {failures} times in a row, the last time: {reason}. From now on "
                f"{again} each time; correct the cause, then: {self._around.anew}",
            )

    async def _live(self) -> str:
        """Run one life to its end; return what ended it."""
        around = self._around
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
        if words and (self._hung or "\n" in words):
            around.say(Severity.WARNING, f"the daemon's last words: {words}")
        return self._hung or ending(code, words)

    async def _listen(self, child: Child, ready: anyio.Event) -> None:
        """Take whatever it says as a sign of life."""
        rest = b""
        while data := await child.hear():
            self._heard = anyio.current_time()
            *lines, rest = (rest + data).split(b"\n")
            # No line of ours is as long; what goes on so is none, and its end is not taken for one.
            rest = rest[:_LONGEST_LINE]
            for line in lines:
                if line == b"READY=1":
                    self._is_ready = True
                    ready.set()
                elif line in (b"STOPPING=1", b"RELOADING=1"):
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
        steady_at = anyio.current_time() + steady_after(self._interval)
        await ready.wait()
        await anyio.sleep_until(steady_at)
        if self._record.failures:
            self._around.say(Severity.INFO, "the daemon is steady again")
        self._record = steadied(self._record)
        self._around.record(self._record)

    async def _see_to_lock(self) -> None:
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            if not self._around.is_ours():
                self._around.say(Severity.WARNING, "the state folder was removed: everything begins anew")
                self._end(Over.STATE_LOST)

    async def _see_to_strays(self) -> None:
        while True:
            await anyio.sleep(self._interval)
            self._around.reap(self._child.pid if self._child else None)

    async def _end_on_signal(self, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                # A hangup is a terminal's, and we have none.
                if number is not signal.SIGHUP:
                    self._why = self._why or number.name
                    self._end(Over.STOPPED)

    def _end(self, over: Over) -> None:
        self._over = over
        self._scope.cancel()
