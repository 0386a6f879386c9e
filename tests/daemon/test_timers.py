"""Timers on virtual time: each event in its time, one after the other, through sleep, load and crashes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
import trio.testing

from konivrer_watch.core.schedule import APART, EARLIEST, FIRST, JITTER, Instant, Mark
from konivrer_watch.daemon.timers import Timed, Timers

pytestmark = pytest.mark.anyio
HOUR, MINUTES_5 = 3600.0, 300.0
WEEK = 7 * 86_400.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Scene:
    """A machine with its clocks, and events that take their time."""

    def __init__(self) -> None:
        self.began = anyio.current_time()
        self.times: dict[str, list[float]] = {"heal": [], "report": []}
        self.running = 0
        self.took = 4.0
        self.slept = 0.0
        self.set_by = 0.0
        self.woke: list[float] = []
        self.busy_until = 0.0
        self._seed = 1

    def clock(self) -> Instant:
        since_boot = self.now + self.slept
        return Instant(1e9 + since_boot + self.set_by, 5e4 + since_boot, "boot")

    @property
    def now(self) -> float:
        return anyio.current_time() - self.began

    def chance(self) -> float:
        self._seed = self._seed * 16_807 % 2_147_483_647
        return self._seed / 2_147_483_647

    async def wait_go(self) -> None:
        while self.now < self.busy_until:
            await anyio.sleep(1)

    def event(self, name: str) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            assert self.running == 0, "two events at once"
            self.running += 1
            self.times[name].append(self.now)
            await anyio.sleep(self.took)
            self.running -= 1

        return act

    def timers(self, last: Mark | None = None, heal: float = HOUR, report: float = MINUTES_5) -> Timers:
        timed = [
            Timed("heal", heal, self.event("heal"), last),
            Timed("report", report, self.event("report")),
        ]
        return Timers(timed, self.clock, self.wait_go, self.woke.append, self.chance)


@asynccontextmanager
async def running(timers: Timers) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(timers.run)
        yield
        group.cancel_scope.cancel()


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


async def test_a_week_has_168_heals_and_2016_reports_and_no_two_of_them_together() -> None:
    scene = Scene()
    async with running(scene.timers()):
        await anyio.sleep(WEEK)
    assert (len(scene.times["heal"]), len(scene.times["report"])) == (168, 2016)
    assert EARLIEST <= scene.times["heal"][0] <= FIRST * (1 + JITTER)
    assert max(gaps(scene.times["heal"])) <= HOUR * (1 + JITTER) + APART
    everything = sorted(scene.times["heal"] + scene.times["report"])
    assert min(gaps(everything)) >= scene.took
    # Those that would have fallen together were put off, and not only queued.
    assert sum(1 for gap in gaps(everything) if gap < APART) <= len(everything) // 100


async def test_the_clock_on_the_wall_may_be_set_to_anything() -> None:
    scene = Scene()
    async with running(scene.timers()):
        for jump in (1e8, -2e8, 5e9, 7200.0):
            await anyio.sleep(HOUR * 2)
            scene.set_by = jump
        await anyio.sleep(HOUR * 2)
    assert len(scene.times["heal"]) == 10
    assert scene.woke == []


async def test_who_slept_is_told_and_what_was_due_comes_a_minute_later_and_once() -> None:
    scene = Scene()
    async with running(scene.timers()):
        await anyio.sleep(1000)
        scene.slept = 8 * HOUR
        await anyio.sleep(31)
        assert [round(slept) for slept in scene.woke] == [8 * HOUR]
        before = len(scene.times["heal"])
        await anyio.sleep(25)
        assert len(scene.times["heal"]) == before
        await anyio.sleep(120)
        assert len(scene.times["heal"]) == before + 1
        await anyio.sleep(HOUR - 300)
        assert len(scene.times["heal"]) == before + 1
    assert len(scene.woke) == 1


async def test_a_process_that_is_stopped_for_hours_has_not_slept() -> None:
    scene = Scene()
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    async with running(scene.timers()):
        await anyio.sleep(1000)
        clock.jump(3 * HOUR)
        await anyio.sleep(HOUR * 2)
    assert scene.woke == []
    assert len(scene.times["heal"]) == 3


async def test_an_event_waits_while_others_need_the_machine_and_ten_minutes_at_most() -> None:
    scene = Scene()
    scene.busy_until = 400.0
    async with running(scene.timers(report=86_400.0)):
        await anyio.sleep(HOUR)
        assert scene.times["heal"] == [pytest.approx(400.0, abs=1.1)]
        scene.busy_until = 1e9
        await anyio.sleep(2 * HOUR)
    assert len(scene.times["heal"]) == 3
    assert max(gaps(scene.times["heal"])) < HOUR + 600 + HOUR * JITTER + 30


async def test_a_crash_loop_neither_repeats_nor_forgets_a_heal() -> None:
    scene = Scene()
    last: Mark | None = None
    for _ in range(500):
        before = len(scene.times["heal"])
        async with running(scene.timers(last, report=86_400.0)):
            await anyio.sleep(110)
        if len(scene.times["heal"]) > before:
            last = Mark(scene.clock(), finished=True)
        scene.running = 0
    assert 10 <= len(scene.times["heal"]) <= 500 * 110 / HOUR + 1
    assert min(gaps(scene.times["heal"])) > HOUR - 1


async def test_when_an_event_is_due_is_known_once_it_has_an_appointment() -> None:
    scene = Scene()
    timers = scene.timers(Mark(scene.clock(), finished=True))
    assert timers.seconds_until("heal") is None
    async with running(timers):
        await anyio.sleep(HOUR / 2)
        assert timers.seconds_until("heal") == pytest.approx(HOUR / 2, abs=FIRST * JITTER)
        assert timers.seconds_until("nothing") is None


async def test_events_of_every_second_are_kept_too() -> None:
    scene = Scene()
    scene.took = 0.1
    async with running(scene.timers(heal=1.0, report=1.0)):
        await anyio.sleep(60)
    assert 50 <= len(scene.times["heal"]) <= 60
