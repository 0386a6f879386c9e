"""One life of a service that systemd or Docker keeps alive: what came before is counted, and a crash is waited for.

Our own supervisor does the same around its child (``daemon/supervisor``); here the daemon is the main process and has
only what its last life left on disk.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio

from konivrer_watch.core.errors import StopError
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import (
    Phase,
    ServiceRecord,
    begin,
    crashed,
    has_just_failed,
    pause,
    restarted,
    steadied,
    steady_after,
    stopped,
)
from konivrer_watch.daemon.ending import Ending, heed_signals
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.notify import Notifier
from konivrer_watch.system.record import boot_id, now_text, read_record, write_record

_BEAT_SECONDS = 5.0

Say = Callable[[Severity, str], None]
Body = Callable[[ServiceRecord, Ending], Awaitable[str]]


class Life:
    """Keeps the record in ``folder``. ``interval`` is ``check_interval``; ``say`` writes the service log."""

    def __init__(
        self, folder: Path, launcher: Launcher, notifier: Notifier, interval: float, say: Say
    ) -> None:
        self._folder = folder
        self._notifier = notifier
        self._steady_after = steady_after(interval)
        self._say = say
        self.record = begin(read_record(folder), launcher, boot_id(), now_text())

    async def run(self, body: Body) -> None:
        """Wait where the last life crashed, then run ``body``, which returns why it ended on purpose.

        A fault that ends it is recorded as such and raised on.
        """
        with heed_signals() as ending:
            if self.record.phase is not Phase.RUNNING:
                if await self._is_told_to_end(ending):
                    self._stop("told to, before it was tried again")
                    return
                self.record = restarted(self.record, now_text())
            self._write()
            again = f", restart {self.record.restarts}" if self.record.restarts else ""
            self._say(Severity.INFO, f"started by {self.record.launcher}{again}")
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._become_steady)
                    reason = await body(self.record, ending)
                    group.cancel_scope.cancel()
            except* Exception as faults:
                self._fail("; ".join(_words(fault) for fault in _leaves(faults)))
                raise
        self._stop(reason)

    async def _is_told_to_end(self, ending: Ending) -> bool:
        """Wait until the next life is due; return whether the process is to end before."""
        seconds = pause(self.record)
        self._write()
        word = "FAILED" if self.record.phase is Phase.FAILED else "crashed"
        text = f"{word}: {self.record.reason}; {self.record.failures} in a row; it is tried again in {seconds:g} s"
        self._say(Severity.ERROR if has_just_failed(self.record) else Severity.WARNING, text)
        self._notifier.ready(text)
        async with anyio.create_task_group() as group:
            group.start_soon(self._beat, text)
            with anyio.move_on_after(seconds) as waited:
                await ending.wait()
            group.cancel_scope.cancel()
        return not waited.cancelled_caught

    async def _beat(self, text: str) -> None:
        while True:
            self._notifier.alive(text)
            await anyio.sleep(min(_BEAT_SECONDS, (self._notifier.interval or _BEAT_SECONDS) / 4))

    def _stop(self, reason: str) -> None:
        self._notifier.stopping()
        self.record = stopped(self.record, now_text())
        self._write()
        self._say(Severity.INFO, f"stopped: {reason}")

    async def _become_steady(self) -> None:
        await anyio.sleep(self._steady_after)
        self.record = steadied(self.record)
        self._write()

    def _fail(self, reason: str) -> None:
        self.record = crashed(self.record, reason, now_text())
        self._write()
        self._say(Severity.ERROR, f"ended: {reason}")

    def _write(self) -> None:
        # Without room on the disk the watch goes on; the next life then knows less of this one.
        with suppress(OSError):
            write_record(self._folder, self.record)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _words(fault: BaseException) -> str:
    return str(fault) if isinstance(fault, StopError) else repr(fault)
