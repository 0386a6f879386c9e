"""Asks the pace before each piece of work, and samples the machine while there is work."""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio

from konivrer_watch.core.events import WorkPaused, WorkResumed
from konivrer_watch.core.pace import Go, Limits, Load, Pace, Resource, Wait, decide, started, step, suspect

SAMPLE_SECONDS = 1.0
# Work that was asked for within so many seconds counts as work under way.
_LINGER_SECONDS = 5.0


class Throttle:
    """Holds work while others need the machine.

    ``sample`` measures the load at an instant of the monotonic clock, and names the cause where it is told which
    resource is short; ``announce`` hears of pauses and their end; ``clock`` tells the time in UTC.
    """

    def __init__(
        self,
        limits: Limits,
        sample: Callable[[float, Resource | None], Awaitable[Load]],
        announce: Callable[[WorkPaused | WorkResumed], None],
        clock: Callable[[], str],
    ) -> None:
        self._limits = limits
        self._sample = sample
        self._announce = announce
        self._clock = clock
        self._pace = Pace()
        self._bypasses = 0
        self._moved = anyio.Event()
        self._work_until = -math.inf
        self._paused: WorkPaused | None = None
        self.load: Load | None = None
        self.paused_since: float | None = None

    async def run(self) -> None:
        """Sample each second while there is work, and sleep without a timer otherwise."""
        while True:
            if anyio.current_time() > self._work_until:
                self._resume()
                self._moved = anyio.Event()
                await self._moved.wait()
            load = await self._sample(anyio.current_time(), suspect(self._pace))
            self.load = load
            self._pace = step(self._pace, load, self._limits)
            if self._pace.pause is None:
                self._resume()
            await anyio.sleep(SAMPLE_SECONDS)

    async def wait_go(self) -> None:
        """Return when a piece of work may start; a pause is told where this has to wait for its end."""
        while True:
            now = anyio.current_time()
            self._work_until = now + _LINGER_SECONDS
            self._moved.set()
            answer = decide(self._pace, now)
            if self._bypasses or isinstance(answer, Go):
                self._pace = started(self._pace, now)
                return
            self._pause(answer)
            await anyio.sleep(SAMPLE_SECONDS / 4)

    @contextmanager
    def bypass(self) -> Iterator[None]:
        """Let all work through for the length of the block: someone waits for the answer."""
        self._bypasses += 1
        try:
            yield
        finally:
            self._bypasses -= 1

    def _pause(self, answer: Wait) -> None:
        if self._paused is None:
            self._paused = WorkPaused(answer.reason, self._clock())
            self.paused_since = answer.since
            self._announce(self._paused)

    def _resume(self) -> None:
        """Say that nothing waits any more: the machine is free, or there is no work left."""
        if self._paused is not None:
            self._paused = None
            self.paused_since = None
            self._announce(WorkResumed())
