"""Timed events come in time, each in its own, whatever crashes, sleeps, boots and clocks do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.schedule import (
    APART,
    EARLIEST,
    FIRST,
    JITTER,
    Appointment,
    Instant,
    Mark,
    apart,
    awoken,
    elapsed,
    first,
    following,
)

HOUR = 3600.0
CHANCE = st.floats(0, 1, exclude_max=True)
INTERVAL = st.floats(1, 7 * 86_400)
SECONDS = st.floats(0, 1e7)
WALL = st.floats(-1e10, 1e10)


def at(since_boot: float, boot: str = "boot", wall: float | None = None) -> Instant:
    """A moment; the wall clock goes with the other unless it is given."""
    return Instant(1e9 + since_boot if wall is None else wall, since_boot, boot)


def done(when: Instant) -> Mark:
    return Mark(when, finished=True)


@given(SECONDS, SECONDS, WALL, WALL)
def test_within_a_boot_the_wall_clock_has_no_say(
    then: float, passed: float, one: float, other: float
) -> None:
    now = then + passed
    assert elapsed(at(then, wall=one), at(now, wall=other)) == now - then


@pytest.mark.parametrize("boot", ["", "another"])
def test_across_boots_or_where_they_are_unknown_the_wall_clock_tells(boot: str) -> None:
    assert elapsed(at(50_000, boot, wall=1000), at(10, "" if boot == "" else "boot", wall=1600)) == 600


def test_a_clock_that_was_set_back_tells_nothing() -> None:
    assert elapsed(at(5, "old", wall=2000), at(5, "boot", wall=1000)) is None


@given(SECONDS, INTERVAL, CHANCE)
def test_what_has_never_been_is_due_within_minutes_and_not_at_once(
    now: float, interval: float, chance: float
) -> None:
    wait = first(None, at(now), interval, chance).due - now
    assert min(EARLIEST, interval) <= wait + 1e-6
    assert wait <= FIRST * (1 + JITTER) + 1e-6


@given(SECONDS, SECONDS, st.floats(-1e9, 1e9), INTERVAL, CHANCE, st.booleans(), st.booleans())
def test_after_any_start_an_event_is_due_within_its_interval_and_never_in_the_first_minute(
    then: float, now: float, jump: float, interval: float, chance: float, finished: bool, same: bool
) -> None:
    mark = Mark(at(then), finished)
    start = at(now, "boot" if same else "other", wall=1e9 + then + jump)
    wait = first(mark, start, interval, chance).due - now
    assert min(EARLIEST, interval) - 1e-3 <= wait <= interval + min(interval, FIRST) * JITTER + 1e-3


@given(st.lists(st.floats(0.1, 200), min_size=50, max_size=300), CHANCE)
def test_a_crash_loop_neither_repeats_nor_forgets_an_event(lives: list[float], chance: float) -> None:
    """Each life lasts so many seconds; the event ends as soon as it is due, if the life lasts."""
    now, last = 0.0, done(at(0.0))
    times = [0.0]
    for life in lives * 30:
        appointment = first(last, at(now), HOUR, chance)
        if appointment.due <= now + life:
            times.append(appointment.due)
            last = done(at(appointment.due))
        now += life
    gaps = [after - before for before, after in pairwise(times)]
    assert all(gap >= HOUR - 1 for gap in gaps)
    if max(lives) > EARLIEST + FIRST * JITTER:
        # Some life of each round is long enough.
        assert all(gap <= HOUR + 2 * sum(lives) + FIRST for gap in gaps)


def test_an_event_that_ends_its_process_each_time_is_tried_again_after_a_quarter_of_its_interval() -> None:
    cut_short = Mark(at(1000.0), finished=False)
    assert first(cut_short, at(1001.0), HOUR, 0.0).due == 1000.0 + HOUR / 4


def test_an_appointment_is_kept_at_its_old_time_by_the_next_process() -> None:
    assert first(done(at(1000.0)), at(1000.0 + HOUR / 2), HOUR, 0.0).due == 1000.0 + HOUR


@given(SECONDS, INTERVAL, st.lists(CHANCE, min_size=1, max_size=200))
def test_the_beat_does_not_drift_by_chance(start: float, interval: float, chances: list[float]) -> None:
    appointment = Appointment(start, start)
    for chance in chances:
        appointment = following(appointment, appointment.due, interval, chance)
        assert 0 <= appointment.due - appointment.base <= interval * JITTER + 1e-6
    assert appointment.base == pytest.approx(start + len(chances) * interval)


@given(SECONDS, INTERVAL, SECONDS, CHANCE)
def test_what_was_missed_is_not_made_up_for(base: float, interval: float, late: float, chance: float) -> None:
    now = base + late
    due = following(Appointment(base, base), now, interval, chance).due
    assert now <= due
    assert due <= now + interval * (1 + JITTER) + 1e-3


@given(SECONDS, SECONDS, INTERVAL)
def test_nothing_is_due_in_the_first_minute_after_the_machine_woke(
    due: float, now: float, interval: float
) -> None:
    moved = awoken(Appointment(due, due), now, interval)
    assert moved.due == max(due, now + min(EARLIEST, interval))


@given(SECONDS, st.lists(SECONDS, max_size=5), st.floats(0.1, 1e4))
def test_an_appointment_keeps_away_from_others_and_is_put_off_as_little_as_that_takes(
    due: float, others: list[float], room: float
) -> None:
    gap = min(APART, room)
    moved = apart(Appointment(due, due), others, room)
    assert moved.base == due
    assert due <= moved.due <= due + (len(others) + 1) * 2 * gap
    assert all(abs(moved.due - other) >= gap - 1e-6 for other in others)
