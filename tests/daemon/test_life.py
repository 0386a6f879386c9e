"""A service that is its own main process knows what its last life came to, and waits before it begins the next."""

import functools
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import trio.testing

from konivrer_watch.core.errors import LeaseHeldError
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import SLOW, WAITS, Phase, ServiceRecord
from konivrer_watch.daemon.ending import Ending
from konivrer_watch.daemon.life import Life
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.record import read_record
from tests.daemon.told import Told


class Service:
    """Lives of one root's service, one after the other, on a virtual clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = Told()
        self.log: list[tuple[Severity, str]] = []
        self.began: list[float] = []
        self.took = 0.0
        self.interval = 60.0

    async def never(self, record: ServiceRecord, ending: Ending) -> str:
        """Work that must not begin."""
        raise AssertionError("it was told to end")

    def live(self, lasts: float, end: Callable[[], str]) -> None:
        """Begin a life whose work lasts so many seconds and then ends so."""
        trio.run(
            functools.partial(self._live, lasts, end), clock=trio.testing.MockClock(autojump_threshold=0)
        )

    async def _live(self, lasts: float, end: Callable[[], str]) -> None:
        async def body(record: ServiceRecord, ending: Ending) -> str:
            self.began.append(anyio.current_time() - start)
            await anyio.sleep(lasts)
            return end()

        start = anyio.current_time()
        life = Life(
            self.folder, Launcher.SYSTEMD, self.told, self.interval, lambda *line: self.log.append(line)
        )
        await life.run(body)
        self.took = anyio.current_time() - start

    @property
    def record(self) -> ServiceRecord:
        record = read_record(self.folder)
        assert record is not None
        return record


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path / "own")


def ends() -> str:
    return "SIGTERM"


def is_killed() -> str:
    """What no program can write down: it is gone."""
    raise KeyboardInterrupt


def breaks() -> str:
    raise LeaseHeldError("this folder is watched already")


def kill(service: Service, lasts: float) -> None:
    with pytest.raises(BaseExceptionGroup):
        service.live(lasts, is_killed)


def test_the_first_life_begins_at_once_and_is_counted_as_no_restart(service: Service) -> None:
    service.live(5, ends)
    assert service.began == [0]
    assert (service.record.phase, service.record.restarts, service.record.failures) == (Phase.STOPPED, 0, 0)
    assert [text for _, text in service.log] == ["started by systemd", "stopped: SIGTERM"]


def test_each_life_that_ends_without_a_word_makes_the_next_wait_longer_until_it_has_failed(
    service: Service,
) -> None:
    for _ in range(len(WAITS) + 2):
        kill(service, 1)
    assert service.began == [0, *WAITS, SLOW]
    assert service.record.restarts == len(WAITS) + 1
    loud = [text for severity, text in service.log if severity is Severity.ERROR]
    assert len(loud) == 1
    assert loud[0].startswith("FAILED: it ended without a word")


def test_a_life_that_lasted_makes_the_next_crash_the_first_of_its_row(service: Service) -> None:
    for _ in range(4):
        kill(service, 1)
    kill(service, 61)
    kill(service, 1)
    assert service.began[-1] == WAITS[0]


def test_a_stop_on_purpose_ends_the_row(service: Service) -> None:
    for _ in range(3):
        kill(service, 1)
    service.live(1, ends)
    service.live(1, ends)
    assert service.began[-1] == 0
    assert service.record.restarts == 0


def test_while_it_waits_the_supervisor_hears_of_it_and_why(service: Service) -> None:
    for _ in range(len(WAITS)):
        kill(service, 1)
    service.told.lines.clear()
    kill(service, 1)
    beats = [at for at, line in service.told.lines if line == "WATCHDOG=1"]
    assert max(after - before for before, after in itertools.pairwise(beats)) <= 15
    assert beats[-1] >= WAITS[-1] - 15
    assert any("it is tried again in 16 s" in line for _, line in service.told.lines)


def test_a_fault_that_is_known_is_written_down_and_raised_on(service: Service) -> None:
    with pytest.raises(ExceptionGroup):
        service.live(1, breaks)
    assert (service.record.phase, service.record.reason) == (Phase.WAITING, "this folder is watched already")
    assert service.log[-1] == (Severity.ERROR, "ended: this folder is watched already")


def test_a_state_folder_that_takes_no_record_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("a file where the folder should be")
    service = Service(tmp_path / "own")
    service.live(1, ends)
    assert service.log[-1] == (Severity.INFO, "stopped: SIGTERM")


def test_a_signal_while_it_waits_ends_it_at_once_as_told(service: Service) -> None:
    for _ in range(len(WAITS) + 1):
        kill(service, 1)

    async def live() -> None:
        life = Life(
            service.folder, Launcher.SYSTEMD, service.told, 60.0, lambda *line: service.log.append(line)
        )
        async with anyio.create_task_group() as group:
            group.start_soon(life.run, service.never)
            await anyio.sleep(SLOW / 2)
            os.kill(os.getpid(), signal.SIGTERM)

    trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))
    assert service.record.phase is Phase.STOPPED
    assert service.log[-1] == (Severity.INFO, "stopped: told to, before it was tried again")
    assert "STOPPING=1" in service.told.words
    service.live(1, ends)
    assert service.began[-1] == 0


def test_in_the_pause_it_is_ready_and_beats_as_often_as_the_watchdog_wants(service: Service) -> None:
    service.told = Told(interval=2.0)
    for _ in range(len(WAITS)):
        kill(service, 1)
    service.told.lines.clear()
    kill(service, 1)
    beats = [at for at, line in service.told.lines if line == "WATCHDOG=1"]
    assert service.told.words[0] == "READY=1"
    assert max(after - before for before, after in itertools.pairwise(beats)) <= 0.5


def test_what_it_waits_for_is_on_the_disk_while_it_waits(service: Service) -> None:
    kill(service, 1)
    seen: list[ServiceRecord] = []

    async def live() -> None:
        life = Life(
            service.folder, Launcher.SYSTEMD, service.told, 60.0, lambda *line: service.log.append(line)
        )
        async with anyio.create_task_group() as group:
            group.start_soon(life.run, service.never)
            await anyio.sleep(WAITS[0] / 2)
            seen.append(service.record)
            os.kill(os.getpid(), signal.SIGTERM)

    trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))
    assert (seen[0].phase, seen[0].failures) == (Phase.WAITING, 1)


def test_a_told_end_does_not_wait_until_the_life_is_steady(service: Service) -> None:
    started = time.monotonic()
    service.live(5, ends)
    assert service.took < 6
    assert time.monotonic() - started < 5


def test_a_fault_of_ours_is_written_down_with_its_type(service: Service) -> None:
    def fails() -> str:
        raise ValueError("a fault of ours")

    with pytest.raises(ExceptionGroup):
        service.live(1, fails)
    assert service.record.reason == "ValueError('a fault of ours')"


def test_with_a_short_interval_a_life_is_steady_after_it(service: Service) -> None:
    service.interval = 2.0
    for _ in range(3):
        kill(service, 1)
    kill(service, 3)
    kill(service, 1)
    assert service.began[-1] == WAITS[0]
