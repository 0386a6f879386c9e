"""The interval by which a supervisor judges silence is read anew, and no disk or fault keeps it from judging."""

import threading
from collections.abc import Iterator

import anyio
import pytest

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.daemon import supervision
from konivrer_watch.daemon.supervision import Interval

pytestmark = pytest.mark.anyio


class Disk:
    """Settings on a disk that may fall silent."""

    def __init__(self) -> None:
        self.seconds = 60.0
        self.is_faulty = False
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()

    def read(self) -> float:
        self.asked += 1
        self.answers.wait(10)
        if self.is_faulty:
            raise UsageFault("check_interval: must be a number")
        return self.seconds


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.answers.set()


async def test_it_is_what_is_set_now_and_while_that_is_at_fault_what_it_was(disk: Disk) -> None:
    interval = Interval(1.0, disk.read)
    assert await interval.get() == 60
    disk.is_faulty, disk.seconds = True, 5.0
    assert await interval.get() == 60
    disk.is_faulty = False
    assert await interval.get() == 5


async def test_a_disk_that_does_not_answer_is_waited_for_once_and_by_one_thread(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_READ_SECONDS", 0.05)
    interval = Interval(1.0, disk.read)
    disk.answers.clear()
    with anyio.fail_after(5):
        assert [await interval.get() for _ in range(20)] == [1.0] * 20
        assert disk.asked == 1
        disk.answers.set()
        while await interval.get() != 60:
            await anyio.sleep(0.01)
