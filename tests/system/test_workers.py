"""The pool on real children: every request is answered or fails by itself, and no child outlives the pool."""

import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest

from konivrer_watch.core.errors import EngineDiedError, EngineSilentError
from konivrer_watch.system.workers import EngineHinderedError, Workers, open_workers

SETUP = b"setup:"
pytestmark = pytest.mark.anyio

ECHO = (sys.executable, "-I", "-S", str(Path(__file__).with_name("echo_worker.py")))


@asynccontextmanager
async def pool(size: int = 1, deadline: float = 10.0) -> AsyncIterator[Workers]:
    """Run a pool, and see that none of its children is left."""
    before = children()
    workers = Workers(ECHO, size, deadline)
    try:
        with anyio.fail_after(15):
            yield workers
    finally:
        await workers.aclose()
        assert children() <= before


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


async def test_answers_go_to_those_who_asked() -> None:
    answers: dict[bytes, bytes] = {}

    async def ask(workers: Workers, name: bytes) -> None:
        answers[name] = await workers.ask(b"slow:" + name, SETUP)

    names = [b"%d" % number for number in range(40)]
    before = children()
    async with pool(size=3) as workers:
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(ask, workers, name)
        assert len(children() - before) == 3
    assert answers == {name: name for name in names}


async def test_a_child_serves_one_request_after_another() -> None:
    async with pool() as workers:
        assert await workers.ask(b"pid:", SETUP) == await workers.ask(b"pid:", SETUP)


@pytest.mark.parametrize("size", [0, 1, 65_537, 5_000_000])
async def test_frames_of_any_size_pass(size: int) -> None:
    async with pool() as workers:
        assert await workers.ask(b"size:%d" % size, SETUP) == b"x" * size
        assert await workers.ask(b"echo:" + b"y" * size, SETUP) == b"y" * size


@pytest.mark.parametrize(
    ("order", "ending"), [(b"exit:3", "exit code 3"), (b"exit:0", "exit code 0"), (b"half:", "SIGSEGV")]
)
async def test_a_child_that_dies_costs_the_request_it_held_only(order: bytes, ending: str) -> None:
    async with pool() as workers:
        with pytest.raises(EngineDiedError, match=ending):
            await workers.ask(order, SETUP)
        assert await workers.ask(b"echo:next", SETUP) == b"next"


@pytest.mark.parametrize("order", [b"hang:", b"stop:"], ids=["hangs", "is stopped"])
async def test_a_child_that_hangs_or_is_stopped_is_ended_at_the_deadline(order: bytes) -> None:
    async with pool(deadline=0.3) as workers:
        pid = int(await workers.ask(b"pid:", SETUP))
        started = time.monotonic()
        with pytest.raises(EngineSilentError, match=r"no answer within 0\.3 s"):
            await workers.ask(order, SETUP)
        assert time.monotonic() - started < 1.5
        assert gone(pid)
        assert await workers.ask(b"echo:next", SETUP) == b"next"


async def test_a_child_that_does_not_read_is_ended_at_the_deadline() -> None:
    async with pool(deadline=0.3) as workers:
        pid = int(await workers.ask(b"pid:", SETUP))
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(EngineSilentError):
            await workers.ask(b"echo:" + b"x" * 5_000_000, SETUP)
        assert gone(pid)


async def test_a_child_that_announces_a_giant_answer_is_ended_at_once() -> None:
    async with pool() as workers:
        pid = int(await workers.ask(b"pid:", SETUP))
        with pytest.raises(EngineDiedError, match="4294967295 bytes"):
            await workers.ask(b"giant:", SETUP)
        assert gone(pid)
        assert await workers.ask(b"echo:next", SETUP) == b"next"


async def test_a_request_that_is_cancelled_ends_its_child_and_its_answer_reaches_nobody() -> None:
    async with pool() as workers:
        pid = int(await workers.ask(b"pid:", SETUP))
        with anyio.move_on_after(0.05):
            await workers.ask(b"hang:", SETUP)
        assert gone(pid)
        assert await workers.ask(b"echo:next", SETUP) == b"next"


async def test_a_request_that_is_cancelled_while_its_child_starts_leaves_no_child() -> None:
    async with pool() as workers:
        for _ in range(5):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await workers.ask(b"echo:", SETUP)
        assert await workers.ask(b"echo:next", SETUP) == b"next"


async def test_a_child_is_told_the_setup_first_and_again_when_it_changes() -> None:
    async with pool() as workers:
        assert await workers.ask(b"told:", b"setup:one") == b"one:1"
        pid = await workers.ask(b"pid:", b"setup:one")
        assert await workers.ask(b"told:", b"setup:one") == b"one:1"
        assert await workers.ask(b"told:", b"setup:two") == b"two:2"
        assert await workers.ask(b"told:", b"setup:one") == b"one:3"
        assert await workers.ask(b"pid:", b"setup:one") == pid
        with pytest.raises(EngineDiedError):
            await workers.ask(b"exit:1", b"setup:two")
        assert await workers.ask(b"told:", b"setup:two") == b"two:1"


async def test_a_child_that_was_killed_while_it_had_nothing_to_do_is_replaced() -> None:
    async with pool() as workers:
        pid = int(await workers.ask(b"pid:", SETUP))
        os.kill(pid, signal.SIGKILL)
        while not gone(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await anyio.sleep(0.01)
        # asyncio learns of it a moment after the system does.
        await anyio.sleep(0.05)
        assert int(await workers.ask(b"pid:", SETUP)) != pid


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *[
            (each, EngineHinderedError)
            for each in (signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
        ],
        *[
            (each, EngineDiedError)
            for each in (signal.SIGSEGV, signal.SIGABRT, signal.SIGPROF, signal.SIGBUS)
        ],
    ],
)
async def test_an_end_by_another_hand_is_told_from_one_by_its_own(
    number: signal.Signals, kind: type[EngineDiedError]
) -> None:
    async with pool() as workers:
        pid = int(await workers.ask(b"pid:", SETUP))
        os.kill(pid, signal.SIGSTOP)
        raised: list[EngineDiedError] = []

        async def ask() -> None:
            with pytest.raises(EngineDiedError, match=number.name) as error:
                await workers.ask(b"echo:", SETUP)
            raised.append(error.value)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(0.02)
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
        assert [type(error) for error in raised] == [kind]


async def test_a_program_that_is_not_there_fails_the_request() -> None:
    workers = Workers(("/nowhere/python",), 1, 1.0)
    for _ in range(2):
        with pytest.raises(EngineHinderedError, match="could not be started"):
            await workers.ask(b"echo:", SETUP)


async def test_a_block_left_by_an_error_with_a_request_under_way_leaves_no_child() -> None:
    before = children()
    pids: set[int] = set()
    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_workers("json.tool", 2, 10.0) as workers, anyio.create_task_group() as group:
            group.start_soon(workers.ask, b"0" * 10, SETUP)
            while not pids:
                await anyio.sleep(0.01)
                pids = children() - before
            raise ZeroDivisionError
    assert all(map(gone, pids))


async def test_a_child_ends_when_its_standard_input_does() -> None:
    async with await anyio.open_process(ECHO) as child:
        assert child.stdin is not None
        await child.stdin.aclose()
        with anyio.fail_after(5):
            assert await child.wait() == 0


async def test_crashes_without_number_leak_neither_descriptors_nor_zombies() -> None:
    async with pool(size=2) as workers:
        await workers.ask(b"echo:", SETUP)
        before, living = descriptors(), children()
        for number in range(200):
            if number % 8:
                assert await workers.ask(b"echo:x", SETUP) == b"x"
            else:
                with pytest.raises(EngineDiedError):
                    await workers.ask(b"exit:1", SETUP)
        assert len(children()) == len(living)
        assert descriptors() <= before
