"""Children that have ended, hang or have swollen are found while they are idle, and others take their place."""

import os
import signal
import time

import anyio
import psutil
import pytest

from konivrer_watch.system.workers import Workers
from tests.system.test_workers import SETUP, children, gone, pool

pytestmark = pytest.mark.anyio
NO_WORK = b"size:0"
PATIENCE = 0.3


def never(pid: int) -> bool:
    return False


async def pid_of(workers: Workers) -> int:
    return int(await workers.ask(b"pid:", SETUP))


async def test_a_child_that_is_well_stays_and_so_does_an_empty_pool() -> None:
    async with pool() as workers:
        assert await workers.examine(NO_WORK, never, PATIENCE) == ()
        pid = await pid_of(workers)
        assert await workers.examine(NO_WORK, never, 5.0) == ()
        assert await pid_of(workers) == pid


async def test_a_killed_child_is_told_and_replaced() -> None:
    async with pool() as workers:
        pid = await pid_of(workers)
        os.kill(pid, signal.SIGKILL)
        (told,) = await workers.examine(NO_WORK, never, 5.0)
        assert told == f"engine worker {pid} had ended with SIGKILL"
        assert await pid_of(workers) != pid


async def test_a_stopped_child_is_told_ended_and_replaced() -> None:
    async with pool() as workers:
        pid = await pid_of(workers)
        os.kill(pid, signal.SIGSTOP)
        (told,) = await workers.examine(NO_WORK, never, PATIENCE)
        assert told == f"engine worker {pid} was silent for 0.3 s"
        assert gone(pid)
        assert await pid_of(workers) != pid


async def test_a_swollen_child_is_told_ended_and_replaced() -> None:
    async with pool() as workers:
        pid = await pid_of(workers)
        (told,) = await workers.examine(NO_WORK, lambda each: each == pid, 5.0)
        assert "more memory" in told
        assert gone(pid)
        assert await pid_of(workers) != pid


async def test_all_that_are_idle_are_looked_at_and_a_busy_one_is_left_alone() -> None:
    async with pool(size=3) as workers:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(workers.ask, b"slow:x", SETUP)
        for pid in children():
            if psutil.Process(pid).ppid() == os.getpid():
                os.kill(pid, signal.SIGSTOP)
        async with anyio.create_task_group() as group:
            started = time.monotonic()
            told = await workers.examine(NO_WORK, never, PATIENCE)
            assert len(told) == 3
            assert time.monotonic() - started < 5
            group.cancel_scope.cancel()
    async with pool(size=1) as workers, anyio.create_task_group() as group:
        group.start_soon(workers.ask, b"slow:x", SETUP)
        await anyio.wait_all_tasks_blocked()
        assert await workers.examine(NO_WORK, never, PATIENCE) == ()


async def test_an_examination_that_is_cancelled_leaves_no_child_behind() -> None:
    async with pool() as workers:
        pid = await pid_of(workers)
        os.kill(pid, signal.SIGSTOP)
        with anyio.move_on_after(0.1):
            await workers.examine(NO_WORK, never, 60.0)
        assert gone(pid)
