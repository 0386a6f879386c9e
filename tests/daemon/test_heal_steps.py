"""Steps one by one: what each names and cannot mend, and what it leaves alone."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from konivrer_watch.core.events import (
    Event,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    RootChanged,
    SourceChanged,
)
from konivrer_watch.core.heal import Trouble
from konivrer_watch.core.model import LogFile, Verdict
from konivrer_watch.core.schedule import Instant
from konivrer_watch.daemon import heal_house, heal_watching
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.heal_house import disk_step, logs_step, store_step
from konivrer_watch.daemon.heal_watching import clock_step, watch_step, watches_step
from konivrer_watch.daemon.healer import Step, perform
from konivrer_watch.daemon.probe import Source
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system import room
from konivrer_watch.system.room import Room
from konivrer_watch.system.store import VerdictStore

pytestmark = pytest.mark.anyio
GB = 1 << 30
SEEN = ProbeSeen("later")


async def found(step: Step) -> list[Trouble]:
    heal = await perform([step], "now")
    return [trouble for _, trouble in heal.troubles]


class Watch:
    """A source, and what its probe records when it is asked."""

    def __init__(self, *answers: Event, announces: bool = True) -> None:
        self.recorder = Recorder(lambda *_: None)
        self.recorder.record(ProbeSeen("before"))
        self.answers = answers
        self.asked = 0
        self.announces = announces

    def ask(self) -> None:
        self.asked += 1
        for event in self.answers:
            self.recorder.record(event)

    async def found(self) -> list[Trouble]:
        source = cast(Source, SimpleNamespace(announces=self.announces))
        return await found(watch_step(source, lambda: self.recorder.status, self.ask))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heal_watching, "_HEAR_SECONDS", 0.3)
    monkeypatch.setattr(heal_watching, "_LOOK_SECONDS", 0.01)


async def test_a_watch_that_is_heard_is_well() -> None:
    watch = Watch(SEEN)
    assert (await watch.found(), watch.asked) == ([], 1)


async def test_a_watch_that_is_deaf_and_heard_again_is_mended() -> None:
    watch = Watch()
    troubles: list[Trouble] = []

    async def heal() -> None:
        troubles.extend(await watch.found())

    async with anyio.create_task_group() as group:
        group.start_soon(heal)
        await anyio.wait_all_tasks_blocked()
        watch.recorder.record(ProbeMissed("not seen"))
        await anyio.sleep(0.05)
        watch.recorder.record(SEEN)
    assert [(trouble.what, trouble.why) for trouble in troubles] == [("not seen", None)]


async def test_a_watch_that_was_deaf_before_and_is_heard_now_is_mended() -> None:
    watch = Watch(SEEN)
    watch.recorder.record(ProbeMissed("it is deaf"))
    (trouble,) = await watch.found()
    assert trouble.what == "it is deaf"
    assert trouble.mended is not None


async def test_a_watch_that_stays_deaf_is_named() -> None:
    (trouble,) = await Watch(ProbeMissed("it is deaf")).found()
    assert trouble.what == "it is deaf"
    assert trouble.why is not None


async def test_a_watch_whose_probe_never_answers_is_named() -> None:
    (trouble,) = await Watch().found()
    assert trouble.what == "the watch does not answer"
    assert trouble.why is not None


async def test_a_source_that_fell_is_named_until_it_stands_again() -> None:
    watch = Watch(SEEN)
    watch.recorder.record(SourceChanged("watchfiles: OS file watch limit reached; the tree is swept instead"))
    (trouble,) = await watch.found()
    assert "limit reached" in trouble.what
    assert trouble.why is not None


async def test_a_probe_that_cannot_be_written_is_named_and_is_no_deafness() -> None:
    (trouble,) = await Watch(ProbeUnwritten("no space left")).found()
    assert trouble.what == "no space left"


async def test_a_root_that_is_gone_is_named_and_not_probed() -> None:
    watch = Watch(SEEN)
    watch.recorder.record(RootChanged("the folder cannot be read: gone"))
    (trouble,) = await watch.found()
    assert ("gone" in trouble.what, watch.asked) == (True, 0)


async def test_where_nothing_announces_there_is_nothing_to_hear() -> None:
    watch = Watch(announces=False)
    assert (await watch.found(), watch.asked) == ([], 0)


async def test_watches_are_enough_where_there_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_INOTIFY_LIMITS", ())
    assert await found(watches_step()) == []


@pytest.mark.parametrize(
    ("has", "words"),
    [
        (Room(GB // 2, 100 * GB, 9, 10), ["512 MB of 102,400 MB are free"]),
        (Room(50 * GB, 100 * GB, 3, 1000), ["3 of 1,000 files"]),
        (Room(0, GB, 0, 1000), ["0 MB of 1,024 MB", "0 of 1,000 files"]),
        (Room(50 * GB, 100 * GB, 0, 0), []),
    ],
)
async def test_a_disk_that_is_nearly_full_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: Room, words: list[str]
) -> None:
    monkeypatch.setattr(heal_house, "room_at", lambda folder: has)
    troubles = await found(disk_step(StateFolders(tmp_path, tmp_path / "own")))
    assert [word in trouble.what for word, trouble in zip(words, troubles, strict=True)] == [True] * len(
        words
    )
    assert all(trouble.why for trouble in troubles)


async def test_a_state_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    (trouble,) = await found(disk_step(StateFolders(tmp_path / "gone", tmp_path / "gone" / "own")))
    assert "No such file" in (trouble.why or "")


async def test_old_logs_beyond_the_bound_go_and_nothing_else(tmp_path: Path) -> None:
    for name in (LogFile.HEAL, f"{LogFile.HEAL}.1", f"{LogFile.HEAL}.3", f"{LogFile.HEAL}.x", "other.log.9"):
        (tmp_path / name).write_text("")
    (trouble,) = await found(logs_step(tmp_path, 2, lambda: None))
    assert trouble.mended is not None
    assert not (tmp_path / f"{LogFile.HEAL}.3").exists()
    assert len(list(tmp_path.iterdir())) == 4


async def test_what_the_logs_say_of_themselves_is_named(tmp_path: Path) -> None:
    (trouble,) = await found(logs_step(tmp_path, 2, lambda: "x.log cannot be written: it is a folder"))
    assert "it is a folder" in trouble.what


async def test_a_folder_of_logs_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (trouble,) = await found(logs_step(tmp_path / "file" / "logs", 2, lambda: None))
    assert trouble.why is not None


def bench_of(store: VerdictStore) -> Workbench:
    return cast(Workbench, SimpleNamespace(verdicts=store, records=None))


async def test_a_store_that_cannot_be_used_is_named_and_then_mended(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.db"
    path.mkdir()
    store = VerdictStore(path)
    try:
        (trouble,) = await found(store_step(bench_of(store)))
        assert trouble.why is not None
        path.rmdir()
        (trouble,) = await found(store_step(bench_of(store)))
        assert trouble.mended == "it works again"
        assert await found(store_step(bench_of(store))) == []
    finally:
        store.close()


async def test_a_store_beyond_its_size_is_pruned_and_that_is_no_trouble(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path / "verdicts.db", limit_bytes=200_000)
    try:
        store.put({b"%032d" % number: Verdict(suppressed=number) for number in range(1900)})
        before = len(store.get([b"%032d" % number for number in range(1900)]))
        store._limit = 50_000
        assert await found(store_step(bench_of(store))) == []
        assert len(store.get([b"%032d" % number for number in range(1900)])) < before
    finally:
        store.close()


async def test_a_clock_that_is_set_is_reacted_to_once() -> None:
    times = [Instant(0, 0), Instant(100, 100), Instant(10_200, 200), Instant(10_300, 300)]
    reacted: list[float] = []
    clock: Callable[[], Instant] = iter(times).__next__
    step = clock_step(clock, lambda: reacted.append(anyio.current_time()))
    assert await found(step) == []
    assert len(await found(step)) == 1
    assert await found(step) == []
    assert len(reacted) == 1
