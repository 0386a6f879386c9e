"""The healer: one heal at a time, each step to its end or its deadline, and a word on every thing that was found."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.errors import EngineDiedError
from konivrer_watch.core.events import Event, HealFinished
from konivrer_watch.core.heal import Heal, StepReport, Trouble
from konivrer_watch.daemon.healer import Healer, Step, blocking_step, perform
from konivrer_watch.system.clocks import read_clocks
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.marks import Marks

pytestmark = pytest.mark.anyio
WELL = StepReport()
BROKEN = StepReport((Trouble("a", mended="as new"), Trouble("b", why="too old")))


class Scene:
    """A healer with its steps, and all that it said."""

    def __init__(self, folder: Path, *steps: Step) -> None:
        self.said: list[tuple[Severity, str]] = []
        self.events: list[Event] = []
        self.marks = Marks(folder, read_clocks)
        self.healer = Healer(
            steps,
            self.marks,
            self.events.append,
            lambda severity, text: self.said.append((severity, text)),
            lambda: "now",
        )


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Healer]:
    async with anyio.create_task_group() as group:
        group.start_soon(scene.healer.run)
        yield scene.healer
        group.cancel_scope.cancel()


def step(name: str, run: Callable[[], Awaitable[StepReport]], deadline: float = 10.0) -> Step:
    return Step(name, deadline, run)


def saying(report: StepReport) -> Callable[[], Awaitable[StepReport]]:
    async def run() -> StepReport:
        return report

    return run


async def hang() -> StepReport:
    await anyio.sleep_forever()
    raise AssertionError


async def fail() -> StepReport:
    async with anyio.create_task_group() as group:
        group.start_soon(_die)
    raise AssertionError


async def _die() -> None:
    raise EngineDiedError("ended with SIGSEGV")


async def refuse() -> StepReport:
    raise PermissionError(13, "Permission denied", "/state")


async def test_a_heal_without_a_trouble_is_one_line_and_one_event(tmp_path: Path) -> None:
    scene = Scene(tmp_path, step("one", saying(WELL)), step("two", saying(WELL)))
    async with running(scene) as healer:
        heal = await healer.heal()
    assert [each.name for each in heal.steps] == ["one", "two"]
    assert scene.events == [HealFinished("now", 0, 0)]
    ((severity, line),) = scene.said
    assert (severity, line) == (Severity.INFO, "heal: nothing to mend, 0.0 s")


async def test_each_thing_that_was_found_is_a_line_and_what_is_left_wrong_a_warning(tmp_path: Path) -> None:
    scene = Scene(tmp_path, step("one", saying(BROKEN)), step("two", saying(WELL)))
    async with running(scene) as healer:
        await healer.heal()
    assert scene.said == [
        (Severity.INFO, "one: a; as new"),
        (Severity.WARNING, "one: b; not mended: too old"),
    ]
    assert scene.events == [HealFinished("now", 2, 1)]


async def test_steps_that_hang_or_fail_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    steps = [
        step("hangs", hang, 0.05),
        step("fails", fail),
        step("refuses", refuse),
        step("well", saying(WELL)),
    ]
    heal = await perform(steps, "now")
    found = {each.name: [trouble.why or "" for trouble in each.report.troubles] for each in heal.steps}
    assert "longer than 0.05 s" in found["hangs"][0]
    assert found["fails"] == ["ended with SIGSEGV"]
    assert "Permission denied" in found["refuses"][0]
    assert found["well"] == []
    assert (heal.found, heal.mended) == (3, 0)


async def stumble() -> StepReport:
    raise KeyError("a fault of ours")


async def stumble_in_a_group() -> StepReport:
    async with anyio.create_task_group() as group:
        group.start_soon(_stumble_once)
        group.start_soon(anyio.sleep_forever)
    raise AssertionError


async def _stumble_once() -> None:
    raise ZeroDivisionError("a group's")


async def test_a_fault_of_the_program_in_a_step_is_named_and_the_rest_goes_on() -> None:
    heal = await perform(
        [step("one", stumble), step("two", stumble_in_a_group), step("well", saying(BROKEN))], "now"
    )
    assert [trouble.why for _, trouble in heal.troubles][:2] == [
        "fault of the program itself: KeyError('a fault of ours')",
        'fault of the program itself: ZeroDivisionError("a group\'s")',
    ]
    assert (heal.found, heal.mended) == (4, 1)


async def test_a_heal_that_is_cancelled_ends_and_is_no_fault_of_a_step() -> None:
    begun, later = anyio.Event(), []

    async def wait() -> StepReport:
        begun.set()
        return await hang()

    async def note() -> StepReport:
        later.append(1)
        return WELL

    async with anyio.create_task_group() as group:
        group.start_soon(perform, [step("waits", wait), step("later", note)], "now")
        await begun.wait()
        group.cancel_scope.cancel()
    assert later == []


async def test_a_blocking_look_that_hangs_ends_by_its_deadline_and_takes_one_thread_for_good() -> None:
    ends = threading.Event()
    threads = 0

    def look() -> Iterator[Trouble]:
        nonlocal threads
        threads += 1
        ends.wait(10)
        yield Trouble("x", mended="y")

    stuck = blocking_step("stuck", 0.05, look)
    try:
        for _ in range(3):
            heal = await perform([stuck, step("well", saying(WELL))], "now")
            assert heal.found == 1
        assert threads == 1
    finally:
        ends.set()


async def test_who_asks_while_a_heal_runs_gets_what_comes_of_that_one(tmp_path: Path) -> None:
    begun, go = anyio.Event(), anyio.Event()
    heals: list[Heal] = []
    runs = 0

    async def wait() -> StepReport:
        nonlocal runs
        runs += 1
        begun.set()
        await go.wait()
        return BROKEN

    async def ask(healer: Healer) -> None:
        heals.append(await healer.heal())

    scene = Scene(tmp_path, step("waits", wait))
    async with running(scene) as healer:
        async with anyio.create_task_group() as group:
            group.start_soon(ask, healer)
            await begun.wait()
            group.start_soon(ask, healer)
            group.start_soon(ask, healer)
            await anyio.wait_all_tasks_blocked()
            go.set()
        assert (runs, len(heals)) == (1, 3)
        assert heals[0] is heals[1] is heals[2]
        await healer.heal()
        assert runs == 2


async def test_who_asked_may_go_away_and_the_heal_goes_on(tmp_path: Path) -> None:
    begun, go = anyio.Event(), anyio.Event()

    async def wait() -> StepReport:
        begun.set()
        await go.wait()
        return WELL

    scene = Scene(tmp_path, step("waits", wait))
    async with running(scene) as healer:
        async with anyio.create_task_group() as group:
            group.start_soon(healer.heal)
            await begun.wait()
            group.cancel_scope.cancel()
        go.set()
        with anyio.fail_after(5):
            while not scene.events:
                await anyio.sleep(0.01)


async def test_a_heal_leaves_its_mark_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    begun, go = anyio.Event(), anyio.Event()

    async def wait() -> StepReport:
        begun.set()
        await go.wait()
        return BROKEN

    scene = Scene(tmp_path, step("waits", wait))
    assert scene.healer.last is None
    async with running(scene) as healer, anyio.create_task_group() as group:
        group.start_soon(healer.heal)
        await begun.wait()
        cut_short = Marks(tmp_path, read_clocks).heal
        assert cut_short is not None and not cut_short.finished
        go.set()
    # Another process knows of it.
    later = Scene(tmp_path)
    assert later.healer.last == HealFinished("now", 2, 1)
    assert later.marks.heal is not None and later.marks.heal.finished
