"""What is told as a sign of life: progress, never the mere turning of a loop."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.heartbeat import (
    SLACK,
    STUCK_AFTER,
    Progress,
    moved,
    stall,
    unburdened,
    worked,
)

Step = Callable[[Progress, float], Progress]

TIMES = st.floats(0, 1e6)
INTERVALS = st.floats(1, 86_400)
STEPS = st.lists(
    st.tuples(st.sampled_from([moved, worked, unburdened]), st.floats(0, 100)), min_size=1, max_size=50
)


@given(TIMES, INTERVALS)
def test_a_watcher_that_has_just_begun_lives(now: float, interval: float) -> None:
    assert stall(Progress(now, now), now, interval) is None


@given(STEPS, st.floats(1, STUCK_AFTER - 1))
def test_whoever_moves_and_finishes_work_within_the_interval_lives(
    steps: list[tuple[Step, float]], interval: float
) -> None:
    progress, now = Progress(0, 0), 0.0
    for _, pause in steps:
        now += min(pause, interval)
        progress = worked(progress, now)
        assert stall(progress, now + interval, interval) is None


@given(TIMES, INTERVALS, st.floats(0.1, 1e5))
def test_without_any_movement_life_ends_after_the_interval(now: float, interval: float, late: float) -> None:
    progress = unburdened(Progress(now, now), now + interval + SLACK + late)
    fault = stall(progress, now + interval + SLACK + late, interval)
    assert fault is not None
    assert "nothing was heard" in fault


@given(INTERVALS, st.integers(1, 500))
def test_probes_that_come_back_do_not_hide_work_that_never_ends(interval: float, beats: int) -> None:
    progress, now = Progress(0, 0), 0.0
    for _ in range(beats):
        now += interval
        progress = moved(progress, now)
        assert (stall(progress, now, interval) is None) == (now <= STUCK_AFTER)


@given(INTERVALS, st.integers(1, 500))
def test_an_idle_watcher_lives_as_long_as_its_probe_comes_back(interval: float, beats: int) -> None:
    progress, now = Progress(0, 0), 0.0
    for _ in range(beats):
        now += interval
        progress = unburdened(moved(progress, now), now)
        assert stall(progress, now, interval) is None


@given(STEPS, TIMES)
def test_old_news_takes_nothing_back(steps: list[tuple[Step, float]], start: float) -> None:
    progress, now = Progress(start, start), start
    for step, pause in steps:
        after = step(progress, now - pause)
        assert after.moved >= progress.moved
        assert after.unburdened >= progress.unburdened
        progress, now = after, now + pause
