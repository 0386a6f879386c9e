"""Timed events: one after the other, never two together, and not while others need the machine.

The check has a loop of its own, the probe's.
"""

from collections.abc import Awaitable, Callable, Sequence

import anyio
import msgspec

from konivrer_watch.core.schedule import Appointment, Instant, Mark, apart, awoken, first, following

# So late at most it is noticed that the machine slept, or an appointment moved under us.
_LOOK_SECONDS = 30.0
# A stop (SIGSTOP, a busy machine) is no sleep: it lets both clocks go on.
_SLEPT_SECONDS = 5.0
_BUSY_SECONDS = 600.0


class Timed(msgspec.Struct, frozen=True):
    """``act`` is performed each ``interval`` seconds; ``last`` is what is remembered of earlier processes' times."""

    name: str
    interval: float
    act: Callable[[], Awaitable[object]]
    last: Mark | None = None


class Timers:
    """Runs until cancelled.

    ``wait_go`` returns when the machine is free; it is waited for ten minutes at most. ``woke`` hears of how many
    seconds the machine slept; ``chance`` returns a number between 0 and 1.
    """

    def __init__(
        self,
        timed: Sequence[Timed],
        clock: Callable[[], Instant],
        wait_go: Callable[[], Awaitable[None]],
        woke: Callable[[float], None],
        chance: Callable[[], float],
    ) -> None:
        self._timed = {each.name: each for each in timed}
        self._clock = clock
        self._wait_go = wait_go
        self._woke = woke
        self._chance = chance
        self._room = min([each.interval for each in timed], default=0.0) / (2 * max(len(timed), 1))
        self._appointments: dict[str, Appointment] = {}

    def seconds_until(self, name: str) -> float | None:
        """Return the seconds until an event is due; ``None`` where it has no appointment (yet)."""
        appointment = self._appointments.get(name)
        return None if appointment is None else max(appointment.due - self._clock().since_boot, 0.0)

    async def run(self) -> None:
        """Keep the appointments."""
        now = self._clock()
        for each in self._timed.values():
            self._agree(each, first(each.last, now, each.interval, self._chance()))
        awake, since_boot = anyio.current_time(), now.since_boot
        while self._appointments:
            name = min(self._appointments, key=lambda each: self._appointments[each].due)
            wait = self._appointments[name].due - self._clock().since_boot
            if wait > 0:
                await anyio.sleep(min(wait, _LOOK_SECONDS))
            else:
                await self._keep(self._timed[name])
            before = awake, since_boot
            awake, since_boot = anyio.current_time(), self._clock().since_boot
            slept = (since_boot - before[1]) - (awake - before[0])
            if slept > _SLEPT_SECONDS:
                self._rise(slept)

    async def _keep(self, timed: Timed) -> None:
        with anyio.move_on_after(_BUSY_SECONDS):
            await self._wait_go()
        await timed.act()
        now = self._clock().since_boot
        last = self._appointments[timed.name]
        self._agree(timed, following(last, now, timed.interval, self._chance()))

    def _rise(self, slept: float) -> None:
        now = self._clock().since_boot
        for name, appointment in list(self._appointments.items()):
            self._agree(self._timed[name], awoken(appointment, now, self._timed[name].interval))
        self._woke(slept)

    def _agree(self, timed: Timed, appointment: Appointment) -> None:
        others = [other.due for name, other in self._appointments.items() if name != timed.name]
        self._appointments[timed.name] = apart(appointment, others, self._room)
