"""The supervisor on virtual time, with daemons that crash and fall silent as they are told."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

from konivrer_watch.core.restart import SLOW, WAITS, Phase
from konivrer_watch.daemon.supervisor import START_SECONDS, Over
from konivrer_watch.system.logs import Severity
from tests.daemon.lives import CRASHES, INTERVAL, NEVER, SILENT, WELL, Plan, supervised

pytestmark = pytest.mark.anyio

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run on trio's virtual clock."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def test_a_daemon_that_is_well_is_left_alone_for_a_day() -> None:
    async with supervised(WELL) as world:
        await anyio.sleep(86_400)
        assert len(world.lives) == 1
    assert [text for _, text in world.said] == [
        "supervisor started, process 7",
        "daemon started, process 100",
        "stopped by SIGTERM",
    ]
    assert [(record.phase, record.steady) for record in world.records] == [
        (Phase.RUNNING, False),
        (Phase.RUNNING, True),
        (Phase.STOPPED, True),
    ]


async def test_a_crash_is_followed_by_a_new_life_after_half_a_second() -> None:
    async with supervised(Plan(ends=10.0, code=-9), WELL) as world:
        await anyio.sleep(100)
        assert world.births == pytest.approx([0, 10.5])
        assert world.last.restarts == 1
        assert world.last.reason == "killed by signal 9"
    assert world.lines(Severity.WARNING) == [
        "the daemon crashed: killed by signal 9; 1 in a row; it is tried again in 0.5 s"
    ]


async def test_a_crash_loop_waits_longer_each_time_says_failed_once_and_never_gives_up() -> None:
    async with supervised(CRASHES) as world:
        await anyio.sleep(3600)
        gaps = [second - first - 0.2 for first, second in zip(world.births, world.births[1:], strict=False)]
        assert gaps[: len(WAITS)] == pytest.approx(list(WAITS))
        assert gaps[len(WAITS) :] == pytest.approx([SLOW] * (len(gaps) - len(WAITS)))
        assert len(gaps) >= len(WAITS) + 10
        assert world.last.phase is Phase.FAILED
    (failed,) = world.lines(Severity.ERROR)
    assert failed.startswith(f"FAILED: the daemon crashed {len(WAITS) + 1} times in a row")
    assert failed.endswith("correct the cause, then: konivrer-watch restart /r")


async def test_a_steady_life_ends_the_row_and_says_so() -> None:
    async with supervised(CRASHES, CRASHES, CRASHES, Plan(ends=61.0), WELL) as world:
        await anyio.sleep(200)
        waits = [
            life.born - (before.ended or 0)
            for before, life in zip(world.lives, world.lives[1:], strict=False)
        ]
        assert waits == pytest.approx([0.5, 1.0, 2.0, 0.5])
    assert "the daemon is steady again" in world.lines(Severity.INFO)


async def test_a_life_that_was_never_ready_is_not_steady_however_long_it_lasts() -> None:
    async with supervised(
        Plan(ready=NEVER, ends=90.0), prepare=lambda world: setattr(world, "seconds", 1000.0)
    ) as world:
        await anyio.sleep(190)
        assert [record.failures for record in world.records if record.phase is Phase.WAITING] == [1, 2]


async def test_a_daemon_that_falls_silent_is_killed_after_the_interval_and_started_again() -> None:
    async with supervised(SILENT, WELL) as world:
        await anyio.sleep(300)
        hung = world.lives[0]
        # It was heard last after 90.5 s.
        assert hung.ended is not None
        assert hung.ended - hung.born == pytest.approx(90.5 + INTERVAL)
        assert len(world.lives) == 2
        assert world.last.reason == "hung: no sign of life for 60 s"


async def test_a_daemon_that_never_becomes_ready_is_killed_after_ten_seconds_at_least() -> None:
    async with supervised(Plan(ready=NEVER), prepare=lambda world: setattr(world, "seconds", 1.0)) as world:
        await anyio.sleep(START_SECONDS + 0.1)
        assert world.last.reason == f"hung: no sign of life for {START_SECONDS:g} s"


@pytest.mark.parametrize("farewell", [b"STOPPING=1", b"RELOADING=1"])
async def test_a_daemon_that_begins_anew_has_as_long_as_for_a_start(farewell: bytes) -> None:
    plan = Plan(silent=1.0, stopping=0.7, farewell=farewell)
    async with supervised(plan, prepare=lambda world: setattr(world, "seconds", 1.0)) as world:
        await anyio.sleep(0.7 + START_SECONDS - 0.1)
        assert world.lives[0].ended is None
        await anyio.sleep(0.2)
        assert world.lives[0].ended is not None


async def test_the_interval_is_read_again_for_each_life() -> None:
    async with supervised(Plan(ends=5.0), Plan(silent=1.0), WELL) as world:
        world.seconds = 20.0
        await anyio.sleep(40)
        assert world.last.reason == "hung: no sign of life for 20 s"


async def test_last_words_of_several_lines_are_logged_and_the_last_is_the_reason() -> None:
    async with supervised(Plan(ends=1.0, code=2, words="one\nkonivrer-watch: two"), WELL) as world:
        await anyio.sleep(5)
        assert world.last.reason == "exit code 2: two"
        assert "the daemon's last words: one\nkonivrer-watch: two" in world.lines(Severity.WARNING)


async def test_a_daemon_that_hung_and_said_nothing_has_no_last_words() -> None:
    async with supervised(SILENT, WELL) as world:
        await anyio.sleep(200)
        assert len(world.lives) == 2
    assert not [text for _, text in world.said if "last words" in text]


async def test_what_became_of_the_supervisor_before_is_told_first() -> None:
    async with supervised(WELL, prepare=lambda world: setattr(world, "before", "it was killed")) as world:
        await anyio.sleep(1)
    assert world.said[0] == (Severity.WARNING, "it was killed")


async def test_a_machine_without_room_for_a_process_is_a_crash_like_another() -> None:
    async with supervised(WELL, prepare=lambda world: setattr(world, "can_spawn", False)) as world:
        await anyio.sleep(1)
        assert world.last.reason == "it cannot be started: Resource temporarily unavailable"
        world.can_spawn = True
        await anyio.sleep(10)
        assert len(world.lives) == 1


@pytest.mark.parametrize("plan", [WELL, CRASHES, SILENT])
@pytest.mark.parametrize("after", [0.1, 0.3, 120.0])
async def test_a_stop_ends_the_daemon_at_once_and_is_recorded_whatever_goes_on(
    plan: Plan, after: float
) -> None:
    async with supervised(plan) as world:
        await anyio.sleep(after)
        before = anyio.current_time()
    assert anyio.current_time() == pytest.approx(before)
    assert world.over is Over.STOPPED
    assert world.last.phase is Phase.STOPPED
    assert world.last.retry_at is None


@pytest.fixture
def missed() -> Iterator[list[int]]:
    """What comes while nobody takes signals, which would else end the test itself."""
    numbers: list[int] = []
    before = [(number, signal.signal(number, lambda *call: numbers.append(call[0]))) for number in ENDING]
    yield numbers
    for number, handler in before:
        signal.signal(number, handler)


async def test_more_signals_while_its_daemon_is_ended_change_nothing(missed: list[int]) -> None:
    async with supervised(Plan(dies_for=8.0)) as world:
        await anyio.sleep(1)
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.kill(os.getpid(), number)
            await anyio.sleep(1)
        assert world.lives[0].ended is None
        await anyio.sleep(5)
        assert world.over is Over.STOPPED
    assert missed == []
    assert world.last.phase is Phase.STOPPED


async def test_a_stop_while_it_begins_anew_is_a_stop(missed: list[int]) -> None:
    async with supervised(Plan(dies_for=8.0)) as world:
        world.has_lock = False
        await anyio.sleep(6)
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep(8)
        assert world.over is Over.STOPPED
    assert missed == []
    assert world.last.phase is Phase.STOPPED


@pytest.mark.parametrize(
    "greeting",
    [
        (b"RE", b"ADY=1", b"\n"),
        (b"STATUS=checking\nR", b"EADY=1\n" + b"STATUS=x\n" * 500),
        (b"STATUS=" + b"x" * 9000, b"y" * 9000 + b"\nREADY=1\nSTATUS=c"),
    ],
    ids=["pieces", "much at once", "after a line too long"],
)
async def test_a_line_is_understood_in_whatever_pieces_it_comes(greeting: tuple[bytes, ...]) -> None:
    async with supervised(Plan(greeting=greeting)) as world:
        await anyio.sleep(100)
        assert world.last.steady
        assert len(world.lives) == 1


async def test_the_end_of_a_line_too_long_is_not_taken_for_a_line() -> None:
    async with supervised(Plan(greeting=(b"x" * 8192, b"READY=1", b"\n"))) as world:
        await anyio.sleep(100)
        assert not world.last.steady


async def test_a_hangup_ends_nothing() -> None:
    async with supervised(WELL) as world:
        os.kill(os.getpid(), signal.SIGHUP)
        await anyio.sleep(1)
        assert world.over is None


async def test_without_its_lock_it_ends_its_daemon_and_leaves_the_record_to_whoever_has_it_now() -> None:
    async with supervised(WELL) as world:
        await anyio.sleep(5)
        world.has_lock = False
        # Sooner than its daemon, which looks each 10 s.
        await anyio.sleep(5.1)
        assert world.over is Over.STATE_LOST
    assert world.last.phase is Phase.RUNNING
    assert world.lines(Severity.WARNING) == ["the state folder was removed: everything begins anew"]


async def test_what_came_to_it_is_reaped_each_interval_but_never_its_daemon() -> None:
    async with supervised(WELL) as world:
        await anyio.sleep(3 * INTERVAL + 1)
        assert world.spared == [100, 100, 100]


async def test_a_supervisor_that_was_stopped_itself_does_not_blame_its_daemon() -> None:
    async with supervised(WELL) as world:
        await anyio.sleep(20)
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(3600)
        await anyio.sleep(1)
        assert world.lives[0].ended is None
        await anyio.sleep(3 * INTERVAL)
        assert len(world.lives) == 1
