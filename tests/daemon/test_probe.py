"""The probe on virtual time: what is said when it is seen, when it is not, and when it cannot be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
import trio.testing

from konivrer_watch.core.events import (
    Event,
    EventsMissed,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    SweepFinished,
)
from konivrer_watch.core.hearing import GRACE
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.probe import Probe
from konivrer_watch.daemon.recorder import Recorder

pytestmark = pytest.mark.anyio
INTERVAL = 60.0
SWEPT = SweepFinished("then", ())


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Scene:
    """Source and token in one: a source that takes its time to stand, and tells of the token unless it is deaf."""

    announces = True

    def __init__(self) -> None:
        self.said: list[tuple[float, Event]] = []
        self.recorder = Recorder(
            lambda event, judgements, status: self.said.append((anyio.current_time(), event))
        )
        self.inbox = Inbox()
        self.builds = 0
        self.build_seconds = 0.0
        self.tell_seconds = 0.1
        self.deaf_builds = 0
        self.fault: str | None = None
        self.rebuilt: list[float] = []
        self.touched: list[float] = []
        self.removed = False
        self._stands = anyio.Event()
        self._seen = anyio.Event()
        self._building = anyio.Event()
        self.probe = Probe(self, self, self.recorder, self.inbox, INTERVAL, lambda: "now")

    @property
    def standing(self) -> bool:
        return self._stands.is_set()

    async def wait_standing(self) -> None:
        await self._stands.wait()

    def rebuild_nowait(self) -> None:
        self.rebuilt.append(anyio.current_time())
        self._stands = anyio.Event()
        self._building.set()

    async def run(self) -> None:
        """Play the source."""
        while True:
            self._building = anyio.Event()
            await anyio.sleep(self.build_seconds)
            self.builds += 1
            self._stands.set()
            await self._building.wait()

    async def touch(self) -> str | None:
        if self.fault is None:
            self.touched.append(anyio.current_time())
            self._seen = anyio.Event()
        return self.fault

    async def wait_seen(self) -> None:
        if self.builds <= self.deaf_builds:
            await anyio.sleep_forever()
        await anyio.sleep(self.tell_seconds)

    def remove(self) -> None:
        self.removed = True

    def times(self, kind: type[Event]) -> list[float]:
        """When events of a kind were recorded."""
        return [at for at, event in self.said if isinstance(event, kind)]


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(scene.run)
        group.start_soon(scene.probe.run)
        yield
        group.cancel_scope.cancel()


async def test_each_interval_the_probe_is_touched_and_seen_and_at_the_end_it_is_removed() -> None:
    scene = Scene()
    async with running(scene):
        await anyio.sleep(INTERVAL * 10)
    gaps = [after - before for before, after in zip(scene.touched, scene.touched[1:], strict=False)]
    assert len(scene.times(ProbeSeen)) == len(scene.touched) == 10
    assert set(map(round, gaps)) == {INTERVAL}
    assert scene.recorder.status.probed == "now"
    assert scene.rebuilt == []
    assert scene.removed


async def test_a_deaf_source_is_said_within_the_interval_and_the_grace_rebuilt_and_the_tree_swept() -> None:
    scene = Scene()
    async with running(scene):
        await anyio.sleep(1)
        scene.inbox.take()
        deaf_since = anyio.current_time()
        scene.deaf_builds = 1
        await anyio.sleep(INTERVAL + GRACE)
        assert scene.times(ProbeMissed)[0] <= deaf_since + INTERVAL + GRACE
        assert len(scene.rebuilt) == 1
        assert scene.inbox.take() is None
        await anyio.sleep(1)
        assert scene.recorder.status.degraded is None


async def test_a_source_that_stays_deaf_is_rebuilt_ever_more_rarely_and_asked_at_least_each_interval() -> (
    None
):
    scene = Scene()
    scene.deaf_builds = 10_000
    async with running(scene):
        await anyio.sleep(INTERVAL * 30)
        pauses = [after - before for before, after in zip(scene.rebuilt, scene.rebuilt[1:], strict=False)]
        assert pauses == sorted(pauses)
        assert pauses[0] < 10
        assert max(pauses) <= INTERVAL + GRACE
        assert "not seen" in str(scene.recorder.status.degraded)
        scene.deaf_builds = 0
        await anyio.sleep(INTERVAL + GRACE)
        assert scene.recorder.status.degraded is None


async def test_a_source_that_walks_through_a_huge_tree_is_not_rebuilt_and_only_a_long_walk_is_told() -> None:
    scene = Scene()
    scene.build_seconds = INTERVAL - 1
    async with running(scene):
        await anyio.sleep(INTERVAL)
    assert scene.times(ProbeMissed) == []
    scene = Scene()
    scene.build_seconds = INTERVAL * 2.5
    async with running(scene):
        await anyio.sleep(INTERVAL * 2)
        assert "does not stand yet" in str(scene.recorder.status.degraded)
        await anyio.sleep(INTERVAL)
        assert scene.recorder.status.degraded is None
    assert scene.rebuilt == []


async def test_a_source_that_is_rebuilt_by_others_while_it_is_asked_is_asked_again_and_not_blamed() -> None:
    scene = Scene()
    scene.deaf_builds = 1
    async with running(scene):
        await anyio.sleep(1)
        scene.rebuild_nowait()
        await anyio.sleep(GRACE + 1)
    assert scene.times(ProbeMissed) == []
    assert len(scene.times(ProbeSeen)) == 1


async def test_a_probe_that_cannot_be_written_is_told_and_is_no_deafness() -> None:
    scene = Scene()
    scene.fault = "no space left"
    async with running(scene):
        await anyio.sleep(INTERVAL * 2.5)
        assert len(scene.times(ProbeUnwritten)) == 3
        assert "no space left" in str(scene.recorder.status.probe_fault)
        assert scene.recorder.status.degraded is None
        scene.fault = None
        await anyio.sleep(INTERVAL)
        assert scene.recorder.status.probe_fault is None
    assert scene.rebuilt == []


async def test_a_source_that_missed_something_is_rebuilt_at_once_and_believed_after_a_clean_sweep() -> None:
    scene = Scene()
    async with running(scene):
        await anyio.sleep(10)
        scene.recorder.record(EventsMissed(1, b"a.py"))
        scene.probe.doubt_nowait()
        await anyio.sleep(3)
        assert len(scene.rebuilt) == 1
        # Seen, but no sweep has confirmed it yet.
        assert len(scene.times(ProbeSeen)) >= 2
        assert scene.recorder.status.degraded is not None
        scene.recorder.record(SWEPT)
        await anyio.sleep(5)
        assert scene.recorder.status.degraded is None


async def test_doubts_that_come_one_after_the_other_rebuild_ever_more_rarely() -> None:
    scene = Scene()
    async with running(scene):
        for _ in range(300):
            scene.probe.doubt_nowait()
            await anyio.sleep(2)
    assert 5 < len(scene.rebuilt) < 20


async def test_without_a_source_that_announces_nothing_is_touched() -> None:
    scene = Scene()
    scene.announces = False
    with anyio.fail_after(1):
        await scene.probe.run()
    assert (scene.touched, scene.said) == ([], [])


async def test_who_was_stopped_while_waiting_waits_once_more() -> None:
    scene = Scene()
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)

    async def be_stopped() -> None:
        await anyio.sleep(1)
        scene.tell_seconds = 0.1
        clock.jump(500)

    scene.tell_seconds = 400.0
    async with running(scene):
        async with anyio.create_task_group() as group:
            group.start_soon(be_stopped)
        await anyio.sleep(1)
        assert scene.times(ProbeMissed) == []
        assert len(scene.times(ProbeSeen)) == 1
