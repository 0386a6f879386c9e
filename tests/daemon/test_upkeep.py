"""What is seen to every few seconds: on a virtual clock, with a bench and settings that are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import anyio
import pytest
import trio.testing

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.events import Event, LogsChecked, StoresChecked
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.recorder import Judgement, Recorder
from konivrer_watch.daemon.upkeep import Upkeep
from konivrer_watch.daemon.workbench import Workbench

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Bench:
    """Stores with faults, and how often they were saved."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.saved = 0

    def save(self) -> None:
        self.saved += 1


class Kept:
    """An upkeep and all that it looks at."""

    def __init__(self, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def run_inline(call: Callable[..., object], *arguments: object) -> object:
            await anyio.lowlevel.checkpoint()
            return call(*arguments)

        # A thread would take real time, and the clock jumps meanwhile.
        monkeypatch.setattr("anyio.to_thread.run_sync", run_inline)
        lock.touch()
        self.bench = Bench()
        self.events: list[Event] = []
        self.settings: Callable[[], Settings] = Settings
        self.log_fault: str | None = None
        self.looks = 0
        self.ends: list[str] = []
        self.recorder = Recorder(self._hear)
        self.upkeep = Upkeep(
            cast(Workbench, self.bench),
            self.recorder,
            Settings(),
            self._reread,
            lambda: self.log_fault,
            lock,
            lambda: self.ends.append("settings"),
            lambda: self.ends.append("state lost"),
        )

    def _hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        self.events.append(event)

    def _reread(self) -> Settings:
        self.looks += 1
        return self.settings()

    async def run(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.upkeep.run()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(tmp_path / "lock", monkeypatch)


async def test_each_ten_seconds_what_was_learned_is_saved_and_the_settings_are_read(kept: Kept) -> None:
    await kept.run(105)
    assert (kept.bench.saved, kept.looks) == (10, 10)
    assert (kept.events, kept.ends) == ([], [])


async def test_who_asks_is_served_once_and_at_once(kept: Kept) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(kept.run, 9.0)
        await anyio.sleep(1)
        kept.upkeep.ask_nowait()
        await anyio.sleep(1)
        assert kept.looks == 1
        await anyio.sleep(6)
        assert kept.looks == 1


async def test_what_becomes_wrong_with_stores_and_logs_is_told_once_and_so_is_its_end(kept: Kept) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(kept.run, 100.0)
        await anyio.sleep(1)
        kept.bench.faults, kept.log_fault = ["read-only"], "no space left"
        await anyio.sleep(40)
        kept.bench.faults, kept.log_fault = [], None
    assert kept.events == [
        StoresChecked(("read-only",)),
        LogsChecked("no space left"),
        StoresChecked(()),
        LogsChecked(None),
    ]


async def test_two_faults_of_the_settings_are_one_line(kept: Kept) -> None:
    def refuse() -> Settings:
        raise UsageFault("a.toml: x: is not a setting\na.toml: y: is not a setting")

    kept.settings = refuse
    await kept.run(11)
    fault = kept.recorder.status.settings_fault
    assert fault is not None
    assert fault.problem.message == "a.toml: x: is not a setting; a.toml: y: is not a setting"


async def test_settings_that_differ_and_a_lock_that_went_are_told(kept: Kept, tmp_path: Path) -> None:
    kept.settings = lambda: Settings(workers=3)
    await kept.run(11)
    assert kept.ends == ["settings"]
    async with anyio.create_task_group() as group:
        group.start_soon(kept.run, 100.0)
        await anyio.sleep(1)
        (tmp_path / "lock").unlink()
    assert kept.ends[-1] == "state lost"
