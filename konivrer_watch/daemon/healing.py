"""What a running watcher has for its health: timers, the healer, and what both ask of the other parts."""

import random
from collections.abc import Callable, Iterable

import anyio

from konivrer_watch.core.events import HealFinished
from konivrer_watch.core.heal import Heal
from konivrer_watch.core.model import Hint, Trigger
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.heal_steps import Patient, steps_of
from konivrer_watch.daemon.healer import Healer
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.daemon.timers import Timed, Timers
from konivrer_watch.system.clocks import read_clocks
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.marks import Marks


class Healing:
    """Runs until cancelled. ``say`` logs what heals find, ``utc_now`` gives instants as they are shown."""

    def __init__(
        self,
        patient: Patient,
        throttle: Throttle,
        say: Callable[[Severity, str], None],
        utc_now: Callable[[], str],
    ) -> None:
        self._patient = patient
        self._throttle = throttle
        marks = Marks(patient.folders.own, read_clocks)
        steps = steps_of(patient, self._rejudge, self._look_at_everything, read_clocks)
        self._healer = Healer(steps, marks, patient.recorder.record, say, utc_now)
        interval = patient.settings.heal_interval
        self._timers = Timers(
            # The resource report joins here.
            [Timed("heal", interval, self._healer.heal, marks.heal)],
            read_clocks,
            throttle.wait_go,
            lambda slept: self._look_at_everything(),
            random.random,
        )

    @property
    def last(self) -> HealFinished | None:
        """What came of the last heal."""
        return self._healer.last

    @property
    def due(self) -> float | None:
        """In how many seconds the next heal is due, where that is known."""
        return self._timers.seconds_until("heal")

    async def heal_now(self) -> Heal:
        """Heal for somebody who waits for it."""
        with self._throttle.bypass():
            return await self._healer.heal()

    async def run(self) -> None:
        """Heal whenever it is time, and when asked."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._healer.run)
            group.start_soon(self._timers.run)

    def _rejudge(self, paths: Iterable[bytes]) -> None:
        now = anyio.current_time()
        for path in paths:
            self._patient.intake.unsettled(Settled(path, Trigger.SWEEP, now))

    def _look_at_everything(self) -> None:
        """Nothing that was heard lately tells how things are: the machine slept, or its clock was set."""
        self._patient.inbox.put_nowait([Hint(None)])
        self._patient.probe.ask_nowait()
