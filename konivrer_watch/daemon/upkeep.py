"""What a watcher sees to every few seconds: what was learned is kept, the settings hold, all can be written."""

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.events import Fault, LogsChecked, SettingsRead, StoresChecked
from konivrer_watch.core.model import Problem, ProblemKind
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system.files import stat_file

_SECONDS = 10.0


class Upkeep:
    """Runs until cancelled. ``reread`` returns the settings as they are now, or raises ``UsageFault``.

    ``log_fault`` returns why nothing can be logged, or ``None``.
    ``settings_changed`` is called where they differ from those that hold, ``state_lost`` where the lock by which this
    root is ours is no longer the file that was locked.
    """

    def __init__(
        self,
        bench: Workbench,
        recorder: Recorder,
        settings: Settings,
        reread: Callable[[], Settings],
        log_fault: Callable[[], str | None],
        lock: Path,
        settings_changed: Callable[[], None],
        state_lost: Callable[[], None],
    ) -> None:
        self._bench = bench
        self._recorder = recorder
        self._settings = settings
        self._reread = reread
        self._log_fault = log_fault
        self._lock = bytes(lock)
        self._settings_changed = settings_changed
        self._state_lost = state_lost
        self._asked = anyio.Event()

    def ask_nowait(self) -> None:
        """See to it now: a settings file changed."""
        self._asked.set()

    async def run(self) -> None:
        """See to everything every few seconds, and when asked."""
        held = await anyio.to_thread.run_sync(self._inode)
        while True:
            self._check_stores()
            with anyio.move_on_after(_SECONDS):
                await self._asked.wait()
            self._asked = anyio.Event()
            if await anyio.to_thread.run_sync(self._inode) != held:
                self._state_lost()
                return
            await anyio.to_thread.run_sync(self._bench.save)
            await self._check_settings()

    def _inode(self) -> int | None:
        signature = stat_file(b"/", self._lock)
        return None if signature is None else signature.inode

    def _check_stores(self) -> None:
        faults = tuple(self._bench.faults)
        if faults != self._recorder.status.store_faults:
            self._recorder.record(StoresChecked(faults))
        log_fault = self._log_fault()
        if log_fault != self._recorder.status.log_fault:
            self._recorder.record(LogsChecked(log_fault))

    async def _check_settings(self) -> None:
        fault: Fault | None = None
        try:
            if await anyio.to_thread.run_sync(self._reread) != self._settings:
                self._settings_changed()
        except UsageFault as error:
            hint = "correct them; until then the settings from before hold"
            fault = Fault(b"", None, Problem(ProblemKind.CONFIGURATION, str(error).replace("\n", "; "), hint))
        if fault != self._recorder.status.settings_fault:
            self._recorder.record(SettingsRead(fault))
