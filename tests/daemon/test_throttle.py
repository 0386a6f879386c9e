"""The throttle on virtual time: hours pass in milliseconds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

from konivrer_watch.core.events import WorkPaused, WorkResumed
from konivrer_watch.core.pace import Limits, Load, Resource
from konivrer_watch.daemon.throttle import Throttle

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run on trio's virtual clock."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Machine:
    """A machine whose load a test sets. ``samples`` are the times at which it was asked."""

    def __init__(self) -> None:
        self.others = 0.0
        self.samples: list[float] = []
        self.events: list[WorkPaused | WorkResumed] = []

    async def sample(self, now: float, name: Resource | None) -> Load:
        """Tell the load."""
        self.samples.append(now)
        return Load(now, cpu_others_percent=self.others, cause="stress, pid 7, 95 %" if name else None)


@asynccontextmanager
async def running(machine: Machine) -> AsyncIterator[Throttle]:
    """Run a throttle for the length of the block."""
    throttle = Throttle(Limits(80, 60), machine.sample, machine.events.append, lambda: "then")
    async with anyio.create_task_group() as group:
        group.start_soon(throttle.run)
        yield throttle
        group.cancel_scope.cancel()


async def work(throttle: Throttle, seconds: float) -> list[float]:
    """Ask for work twice a second, and return when each piece started, from the beginning on."""
    begun, starts = trio.current_time(), list[float]()
    with anyio.move_on_after(seconds):
        while True:
            await throttle.wait_go()
            starts.append(trio.current_time() - begun)
            await anyio.sleep(0.5)
    return starts


async def test_an_idle_throttle_never_samples() -> None:
    machine = Machine()
    async with running(machine):
        await anyio.sleep(100_000)
    assert machine.samples == []


async def test_it_samples_each_second_while_there_is_work_and_stops_after() -> None:
    machine = Machine()
    async with running(machine) as throttle:
        await work(throttle, 10)
        during = len(machine.samples)
        await anyio.sleep(3600)
    assert 9 <= during <= 12
    assert len(machine.samples) <= during + 7


async def test_load_of_others_pauses_work_within_five_seconds_and_names_the_cause() -> None:
    machine = Machine()
    async with running(machine) as throttle:
        machine.others = 95.0
        starts = await work(throttle, 60)
    assert max(starts) <= 5
    assert isinstance(machine.events[0], WorkPaused)
    assert "stress, pid 7" in machine.events[0].reason


async def test_work_goes_on_within_ten_seconds_after_others_are_done() -> None:
    machine = Machine()
    async with running(machine) as throttle:
        machine.others = 95.0
        await work(throttle, 30)
        machine.others = 5.0
        starts = await work(throttle, 30)
    assert starts[0] <= 10
    assert [type(event) for event in machine.events] == [WorkPaused, WorkResumed]


async def test_one_piece_of_work_in_ten_minutes_starts_regardless() -> None:
    machine = Machine()
    async with running(machine) as throttle:
        machine.others = 95.0
        starts = await work(throttle, 3 * 3600)
    late = [start for start in starts if start > 10]
    assert 16 <= len(late) <= 18
    assert max(later - earlier for earlier, later in pairwise(late)) <= 605


async def test_a_bypass_lets_work_through_a_pause() -> None:
    machine = Machine()
    async with running(machine) as throttle:
        machine.others = 95.0
        await work(throttle, 30)
        with throttle.bypass():
            starts = await work(throttle, 10)
        after = await work(throttle, 10)
    assert len(starts) == 20
    assert after == []


async def test_a_pause_with_nothing_left_to_do_ends() -> None:
    machine = Machine()
    async with running(machine) as throttle:
        machine.others = 95.0
        await work(throttle, 30)
        await anyio.sleep(60)
        before = len(machine.samples)
        await anyio.sleep(3600)
        assert len(machine.samples) == before
    assert isinstance(machine.events[-1], WorkResumed)
    assert throttle.paused_since is None
