"""Puts the source to the test: a file is touched, and has to be seen to change.

A source that fails the test is built anew, and again, later each time, until it passes.
"""

from collections.abc import Callable
from typing import Protocol

import anyio

from konivrer_watch.core.events import ProbeMissed, ProbeSeen, ProbeUnwritten
from konivrer_watch.core.hearing import GRACE
from konivrer_watch.core.model import Hint
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.recorder import Recorder

# Who wakes so many seconds later than asked was stopped or starved; what was announced meanwhile has yet to come.
_LATE = 1.0
_ATTEMPTS = 3
# Each trouble within so many seconds doubles the wait for the next attempt.
_MEMORY = 3600.0


class Source(Protocol):
    """What announces changes, as those see it who doubt it."""

    @property
    def announces(self) -> bool:
        """Whether it tells of anything at all."""

    @property
    def standing(self) -> bool:
        """Whether it would tell of what happens now."""

    @property
    def builds(self) -> int:
        """How often it came to stand."""

    async def wait_standing(self) -> None:
        """Return once it stands."""

    def rebuild_nowait(self) -> None:
        """Let go of everything and begin anew."""


class Token(Protocol):
    """The file that is touched."""

    async def touch(self) -> str | None:
        """Change it; return why that is impossible, in words."""

    async def wait_seen(self) -> None:
        """Return once the source told of the last touch."""

    def remove(self) -> None:
        """Leave nothing behind."""


class Probe:
    """Runs until cancelled, or not at all where the source announces nothing: there the sweeps count.

    ``interval`` is in seconds, ``utc_now`` gives the instant that is recorded.
    """

    def __init__(
        self,
        source: Source,
        token: Token,
        recorder: Recorder,
        inbox: Inbox,
        interval: float,
        utc_now: Callable[[], str],
    ) -> None:
        self._source = source
        self._token = token
        self._recorder = recorder
        self._inbox = inbox
        self._interval = interval
        self._utc_now = utc_now
        self._doubted = anyio.Event()
        self._asked = anyio.Event()
        self._troubles: list[float] = []

    def doubt_nowait(self) -> None:
        """The source missed something: it is built anew, and put to the test at once."""
        self._doubted.set()
        self._asked.set()

    def ask_nowait(self) -> None:
        """Put the source to the test now, and not only when its time has come."""
        self._asked.set()

    async def run(self) -> None:
        """Put the source to the test, at each interval and whenever it stands anew."""
        if not self._source.announces:
            return
        try:
            while True:
                passed = await self._ask()
                if passed:
                    await self._rest()
                if not passed or self._doubted.is_set():
                    await self._build_anew()
        finally:
            self._token.remove()

    async def _ask(self) -> bool:
        """Return whether the source passes, or cannot be put to the test now."""
        while True:
            await self._wait_standing()
            builds = self._source.builds
            fault = await self._token.touch()
            if fault is not None:
                self._recorder.record(ProbeUnwritten(fault))
                return True
            if await self._is_seen():
                self._recorder.record(ProbeSeen(self._utc_now()))
                return True
            if self._source.standing and self._source.builds == builds:
                break
        reason = f"a file that was touched was not seen to change within {GRACE:.0f} s"
        self._recorder.record(ProbeMissed(f"{reason}; the watch is built anew, and the tree swept"))
        return False

    async def _wait_standing(self) -> None:
        """Wait for the source, which may be walking through a huge tree, and say so where that takes long."""
        while not self._source.standing:
            with anyio.move_on_after(max(self._interval, GRACE)):
                await self._source.wait_standing()
                return
            self._recorder.record(ProbeMissed("the watch does not stand yet; the tree is swept instead"))

    async def _is_seen(self) -> bool:
        for _ in range(_ATTEMPTS):
            began = anyio.current_time()
            with anyio.move_on_after(GRACE):
                await self._token.wait_seen()
                return True
            if anyio.current_time() - began < GRACE + _LATE:
                break
        return False

    async def _rest(self) -> None:
        """Wait for the next test, which comes soon where this one was not enough."""
        enough = self._source.standing and self._recorder.status.deaf is None
        with anyio.move_on_after(self._interval if enough else self._patience()):
            await self._asked.wait()
        self._asked = anyio.Event()

    async def _build_anew(self) -> None:
        now = anyio.current_time()
        self._troubles = [at for at in self._troubles if now - at < _MEMORY]
        patience = self._patience()
        self._troubles.append(now)
        if len(self._troubles) > 1:
            await anyio.sleep(patience)
        self._doubted = anyio.Event()
        self._source.rebuild_nowait()
        self._inbox.put_nowait([Hint(None)])

    def _patience(self) -> float:
        return min(2.0 ** min(len(self._troubles), 10), self._interval)
