"""Tells whoever keeps us alive that we are, as long as there is progress."""

from collections.abc import Callable

import anyio

from konivrer_watch.core.events import (
    Event,
    FilesJudged,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    Stalled,
    SweepFinished,
)
from konivrer_watch.core.heartbeat import PROOF_INTERVALS, SLACK, Progress, moved, stall, unburdened, worked
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.system.notify import Notifier

# Systemd advises half of its interval (sd_watchdog_enabled(3)); a quarter forgives a busy machine.
_BEATS_PER_INTERVAL = 4
_LONGEST_BEAT = 15.0
# A sample of the machine's load that is older was not taken for the work that waits now.
_SAMPLED_SECONDS = 10.0
# The first look at a huge tree on a slow disk is a wait with a reason, for so long.
_FIRST_LOOK_SECONDS = 900.0


class Heartbeat:
    """Runs until cancelled. ``interval`` is ``check_interval``, in seconds.

    ``is_idle`` is whether nothing is to be found, waited for or judged. Where the source ``announces``, it has to be
    seen to; elsewhere sweeps are what counts.
    """

    def __init__(
        self,
        notifier: Notifier,
        interval: float,
        recorder: Recorder,
        throttle: Throttle,
        is_idle: Callable[[], bool],
        *,
        announces: bool,
    ) -> None:
        self._notifier = notifier
        self._interval = interval
        self._recorder = recorder
        self._throttle = throttle
        self._is_idle = is_idle
        self._announces = announces
        self._began = anyio.current_time()
        self._progress = Progress(self._began, self._began)
        self._proven = self._began

    @property
    def unproven(self) -> str | None:
        """Why nobody can say that changes are noticed, in words; ``None`` while that was seen of late."""
        seconds = anyio.current_time() - self._proven
        if seconds <= PROOF_INTERVALS * self._interval + SLACK:
            return None
        fault = self._recorder.status.probe_fault
        return f"for {seconds:.0f} s no change was seen to arrive" + (f": {fault}" if fault else "")

    def note(self, event: Event) -> None:
        """Take progress from what happened."""
        now = anyio.current_time()
        match event:
            case FilesJudged():
                self._progress = worked(self._progress, now)
            case ProbeSeen() | ProbeMissed() | ProbeUnwritten() | SweepFinished():
                # A source that is deaf is told and rebuilt: that is a wait with its reason.
                self._progress = moved(self._progress, now)
                if isinstance(event, ProbeSeen if self._announces else SweepFinished):
                    self._proven = now
            case _:
                pass

    async def run(self) -> None:
        """Beat."""
        shortest = min(self._interval, self._notifier.interval or self._interval)
        pause = min(shortest / _BEATS_PER_INTERVAL, _LONGEST_BEAT)
        while True:
            self._look(anyio.current_time())
            status = self._recorder.status
            fault = stall(self._progress, anyio.current_time(), self._interval)
            if fault != status.stalled:
                self._recorder.record(Stalled(fault))
            if fault is None:
                reason = status.degraded if status.paused is None else status.paused.reason
                self._notifier.alive(f"{status.state}: {reason}" if reason else status.state)
            await anyio.sleep(pause)

    def _look(self, now: float) -> None:
        """Take note of waits: for the machine, for work, and for the first look at the tree."""
        status, load = self._recorder.status, self._throttle.load
        is_paused = status.paused is not None
        if is_paused and load is not None and now - load.at <= _SAMPLED_SECONDS:
            self._progress = moved(self._progress, now)
        if status.swept is None and now - self._began <= _FIRST_LOOK_SECONDS:
            self._progress = moved(self._progress, now)
        # Without a root there is nothing to look at; that is told, and looked for every two seconds.
        if is_paused or status.root_fault is not None or self._is_idle():
            self._progress = unburdened(self._progress, now)
