"""A paused or idle watcher is told to live; one that is stuck is not."""

import itertools
from collections.abc import Callable

import anyio
import pytest
import trio.testing

from konivrer_watch.core.events import (
    FilesJudged,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    RootChanged,
    SweepFinished,
    WorkPaused,
)
from konivrer_watch.core.model import Trigger
from konivrer_watch.core.pace import Limits, Load, Resource
from konivrer_watch.core.settle import Settled
from konivrer_watch.core.status import State
from konivrer_watch.daemon.heartbeat import Heartbeat
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.throttle import Throttle
from tests.daemon.told import Told

MINUTE = 60.0

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Watched:
    """A heartbeat and the parts that it looks at; the throttle samples when told to."""

    def __init__(self, *, announces: bool = True, interval: float | None = 60.0) -> None:
        self.told = Told(interval)
        self.queue = Queue()
        self.recorder = Recorder(lambda event, judgements, status: self.heartbeat.note(event))

        async def sample(now: float, name: Resource | None) -> Load:
            return Load(now)

        self.throttle = Throttle(Limits(), sample, self.recorder.record, lambda: "now")
        self.heartbeat = Heartbeat(
            self.told, MINUTE, self.recorder, self.throttle, lambda: self.queue.idle, announces=announces
        )

    def beats(self, after: float) -> list[float]:
        return [at for at, line in self.told.lines if line == "WATCHDOG=1" and at > after]

    async def run(self, seconds: float, each_minute: Callable[[], None] = lambda: None) -> float:
        """Let time pass; return when it began to."""
        start = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(self.heartbeat.run)
            for _ in range(int(seconds / MINUTE)):
                each_minute()
                await anyio.sleep(MINUTE)
            group.cancel_scope.cancel()
        return start

    def fault(self) -> str | None:
        return self.recorder.status.stalled

    def sweep(self) -> None:
        self.recorder.record(SweepFinished("then", ()))


async def test_an_idle_watcher_whose_probe_comes_back_beats_for_a_day() -> None:
    watched = Watched()
    watched.sweep()
    start = await watched.run(86_400, lambda: watched.recorder.record(ProbeSeen("now")))
    beats = watched.beats(start)
    assert max(after - before for before, after in itertools.pairwise(beats)) <= MINUTE / 4
    assert beats[-1] >= start + 86_400 - MINUTE / 4


async def test_a_deaf_watcher_is_degraded_and_lives() -> None:
    watched = Watched()
    watched.sweep()
    start = await watched.run(3600, lambda: watched.recorder.record(ProbeMissed("nothing is heard")))
    assert len(watched.beats(start)) >= 3600 / MINUTE * 4 - 1


async def test_a_watcher_that_hears_nothing_at_all_falls_silent_and_says_that_it_is_stuck() -> None:
    watched = Watched()
    watched.sweep()
    start = await watched.run(600)
    assert max(watched.beats(start)) <= start + MINUTE + 10
    assert watched.recorder.status.state is State.FAILED
    assert "stuck" in str(watched.recorder.status.stalled)


async def test_work_that_never_ends_is_told_though_the_probe_comes_back() -> None:
    watched = Watched()
    watched.sweep()
    watched.queue.put_nowait([Settled(b"a.py", Trigger.SAVE, anyio.current_time())])
    start = await watched.run(3600, lambda: watched.recorder.record(ProbeSeen("now")))
    assert max(watched.beats(start)) <= start + 15 * MINUTE
    assert watched.recorder.status.state is State.FAILED


async def test_a_paused_watcher_lives_as_long_as_somebody_looks_at_the_load() -> None:
    watched = Watched()
    watched.sweep()
    watched.queue.put_nowait([Settled(b"a.py", Trigger.SAVE, anyio.current_time())])
    watched.recorder.record(WorkPaused("CPU", "then"))
    async with anyio.create_task_group() as group:
        group.start_soon(watched.heartbeat.run)
        for _ in range(3600):
            watched.throttle.load = Load(anyio.current_time())
            await anyio.sleep(1)
        assert watched.fault() is None
        await anyio.sleep(600)
        assert watched.fault() is not None
        group.cancel_scope.cancel()


async def test_the_first_look_at_a_huge_tree_is_no_hang() -> None:
    watched = Watched()
    start = await watched.run(14 * MINUTE)
    assert watched.beats(start)[-1] >= start + 13 * MINUTE
    assert watched.recorder.status.stalled is None


async def test_the_supervisor_reads_what_the_watcher_does() -> None:
    watched = Watched()
    watched.sweep()
    await watched.run(MINUTE)
    watched.recorder.record(WorkPaused("CPU: others", "then"))
    await watched.run(MINUTE)
    said = [line for _, line in watched.told.lines if line.startswith("STATUS=")]
    assert said[0] == "STATUS=checking"
    assert said[-1] == "STATUS=paused: CPU: others"


async def test_where_nothing_announces_sweeps_keep_it_alive_and_proven() -> None:
    watched = Watched(announces=False)
    start = await watched.run(86_400, watched.sweep)
    assert watched.beats(start)[-1] >= start + 86_400 - MINUTE
    assert watched.fault() is None
    assert watched.heartbeat.unproven is None


async def test_where_something_announces_sweeps_prove_nothing() -> None:
    watched = Watched()
    await watched.run(600, watched.sweep)
    assert watched.fault() is None
    assert "no change was seen to arrive" in str(watched.heartbeat.unproven)


async def test_a_probe_that_cannot_be_written_keeps_it_alive_and_proves_nothing() -> None:
    watched = Watched()
    watched.sweep()
    start = await watched.run(600, lambda: watched.recorder.record(ProbeUnwritten("no space left")))
    assert watched.beats(start)[-1] >= start + 600 - MINUTE
    assert str(watched.heartbeat.unproven).endswith("no space left")
    watched.recorder.record(ProbeSeen("now"))
    assert watched.heartbeat.unproven is None


async def test_it_beats_as_often_as_the_shorter_of_both_intervals_asks() -> None:
    watched = Watched(interval=4.0)
    watched.sweep()
    start = await watched.run(2 * MINUTE, lambda: watched.recorder.record(ProbeSeen("now")))
    beats = watched.beats(start)
    assert max(after - before for before, after in itertools.pairwise(beats)) <= 1


async def test_jobs_that_finish_are_progress_and_show_that_nothing_is_stuck() -> None:
    watched = Watched()
    watched.sweep()
    watched.queue.put_nowait([Settled(b"a.py", Trigger.SAVE, anyio.current_time())])
    await watched.run(3600, lambda: watched.recorder.record(FilesJudged(())))
    assert watched.fault() is None


async def test_without_a_root_there_is_nothing_to_be_stuck_in() -> None:
    watched = Watched()
    watched.sweep()
    watched.queue.put_nowait([Settled(b"a.py", Trigger.SAVE, anyio.current_time())])
    watched.recorder.record(RootChanged("gone"))
    await watched.run(3600, lambda: watched.recorder.record(ProbeMissed("no root")))
    assert watched.fault() is None
