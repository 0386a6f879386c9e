"""Lanes wait for work, and each of them is called."""

import anyio
import pytest

from konivrer_watch.core.model import Trigger
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.queue import Queue

pytestmark = pytest.mark.anyio


def save(path: bytes) -> Settled:
    return Settled(path, Trigger.SAVE, 0.0)


async def test_every_waiting_lane_is_called() -> None:
    queue = Queue()
    served: list[bytes] = []

    async def lane() -> None:
        await queue.wait_work()
        served.extend(entry.path for entry in queue.take_nowait(1))

    with anyio.fail_after(1):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lane)
            await anyio.wait_all_tasks_blocked()
            queue.put_nowait([save(b"a"), save(b"b"), save(b"c")])
    assert sorted(served) == [b"a", b"b", b"c"]


async def test_a_lane_that_came_too_late_waits_again_while_another_is_busy() -> None:
    queue = Queue()
    taken: list[bytes] = []
    finish = anyio.Event()

    async def lane() -> None:
        while True:
            await queue.wait_work()
            batch = queue.take_nowait(1)
            taken.extend(entry.path for entry in batch)
            if [entry.path for entry in batch] == [b"long"]:
                await finish.wait()
            queue.done([entry.path for entry in batch])

    with anyio.fail_after(1):
        async with anyio.create_task_group() as group:
            group.start_soon(lane)
            group.start_soon(lane)
            await anyio.wait_all_tasks_blocked()
            for path in (b"long", b"save", b"another"):
                queue.put_nowait([save(path)])
                await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert taken == [b"long", b"save", b"another"]


async def test_a_path_that_changed_while_it_ran_calls_a_lane_when_it_is_done() -> None:
    queue = Queue()
    queue.put_nowait([save(b"a")])
    queue.take_nowait(1)
    queue.put_nowait([save(b"a")])
    assert (queue.waiting, queue.running, queue.idle) == (1, 1, False)
    with anyio.fail_after(1):
        async with anyio.create_task_group() as group:
            group.start_soon(queue.wait_work)
            await anyio.wait_all_tasks_blocked()
            queue.done([b"a"])
    assert queue.take_nowait(1) == [save(b"a")]


async def test_work_that_was_dropped_calls_nobody() -> None:
    queue = Queue()
    queue.put_nowait([save(b"a")])
    queue.drop(b"a")
    with anyio.move_on_after(0.05) as scope:
        await queue.wait_work()
    assert scope.cancelled_caught
    assert queue.idle
