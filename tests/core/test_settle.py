"""Debounce: quiet and cap hold for any sequence of notes, and no path is lost or taken twice."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Trigger
from konivrer_watch.core.settle import Settle, Settled, more_urgent

QUIET, CAP = 0.05, 2.0
PATHS = st.sampled_from([b"a.py", b"b.py", b"\xff\n\x1b.py"])
STEPS = st.floats(0, 3)
# Clocks jump and times are set by hand: an age may lie far in the future or the past.
AGES = st.one_of(st.floats(-0.5, 3), st.sampled_from([-1e9, -0.0, 1e9]))
NOTES = st.lists(st.tuples(STEPS, PATHS, st.sampled_from(Trigger), AGES), max_size=30)


@given(NOTES)
def test_a_path_is_ready_exactly_when_it_was_quiet_long_enough_or_the_cap_has_passed(
    notes: list[tuple[float, bytes, Trigger, float]],
) -> None:
    settle = Settle(QUIET, CAP)
    now = 1000.0
    first: dict[bytes, float] = {}
    written: dict[bytes, float] = {}
    for step, path, trigger, age in notes:
        now += step
        age = max(age, 0.0)
        settle.note(path, trigger, now, age)
        first.setdefault(path, now - age if age < 1 else now)
        written[path] = max(written.get(path, now - age), now - age)
        expected = {each for each in first if now >= min(written[each] + QUIET, first[each] + CAP)}
        taken = settle.take(now)
        assert {entry.path for entry in taken} == expected
        for each in expected:
            del first[each], written[each]
        assert len(settle) == len(first)


@given(NOTES)
def test_every_path_is_taken_once_by_the_time_the_cap_has_passed(
    notes: list[tuple[float, bytes, Trigger, float]],
) -> None:
    settle = Settle(QUIET, CAP)
    now = 1000.0
    for step, path, trigger, age in notes:
        now += step
        settle.note(path, trigger, now, age)
    taken = [entry.path for entry in settle.take(now + CAP)]
    assert sorted(taken) == sorted({path for _, path, _, _ in notes})
    assert settle.take(now + 2 * CAP) == []
    assert settle.next_ready() is None


@given(NOTES.filter(bool))
def test_the_appointment_is_the_first_moment_at_which_something_is_ready(
    notes: list[tuple[float, bytes, Trigger, float]],
) -> None:
    settle = Settle(QUIET, CAP)
    now = 1000.0
    for step, path, trigger, age in notes:
        now += step
        settle.note(path, trigger, now, age)
    ready = settle.next_ready()
    assert ready is not None
    assert ready <= now + CAP
    assert settle.take(ready - 1e-6) == []
    assert settle.take(ready) != []


@given(st.lists(st.floats(0, QUIET * 0.9), min_size=2, max_size=60))
def test_a_file_written_without_pause_waits_for_the_cap_and_no_longer(steps: list[float]) -> None:
    settle = Settle(QUIET, CAP)
    now = start = 1000.0
    settle.note(b"a.py", Trigger.SAVE, now, 0.0)
    for step in steps:
        now += step
        if settle.take(now):
            assert now >= start + CAP
            return
        settle.note(b"a.py", Trigger.SAVE, now, 0.0)
    assert now < start + CAP


@given(st.lists(st.sampled_from(Trigger), min_size=1, max_size=5))
def test_the_most_urgent_of_the_triggers_counts(triggers: list[Trigger]) -> None:
    settle = Settle(QUIET, CAP)
    for trigger in triggers:
        settle.note(b"a.py", trigger, 1.0, 0.0)
    (entry,) = settle.take(9.0)
    assert entry.trigger == min(triggers, key=list(Trigger).index)


@given(st.sampled_from(Trigger), st.sampled_from(Trigger))
def test_urgency_does_not_depend_on_the_order_of_asking(one: Trigger, other: Trigger) -> None:
    assert more_urgent(one, other) is more_urgent(other, one)


def test_what_is_ready_comes_in_the_order_in_which_it_was_noticed() -> None:
    settle = Settle(QUIET, CAP)
    names = [b"%d.py" % number for number in range(5)]
    for number, name in enumerate(names):
        settle.note(name, Trigger.SAVE, float(number), 0.0)
    taken = settle.take(10.0)
    assert [entry.path for entry in taken] == names
    assert all(one.noticed <= other.noticed for one, other in pairwise(taken))


def test_a_dropped_path_is_not_taken_and_dropping_it_again_is_harmless() -> None:
    settle = Settle(QUIET, CAP)
    settle.note(b"a.py", Trigger.SAVE, 1.0, 0.0)
    settle.drop(b"a.py")
    settle.drop(b"a.py")
    assert settle.take(9.0) == []


@pytest.mark.parametrize(
    ("age", "noticed"),
    [(0.2, 99.8), (0.0, 100.0), (-5.0, 100.0), (3600.0, 100.0)],
    ids=["just written", "now", "in the future", "long ago"],
)
def test_latency_counts_from_the_write_unless_that_is_long_ago(age: float, noticed: float) -> None:
    settle = Settle(QUIET, CAP)
    settle.note(b"a.py", Trigger.SAVE, 100.0, age)
    assert settle.take(200.0) == [Settled(b"a.py", Trigger.SAVE, noticed)]


def test_what_was_written_long_ago_is_ready_at_once() -> None:
    settle = Settle(QUIET, CAP)
    settle.note(b"a.py", Trigger.SWEEP, 100.0, 3600.0)
    assert len(settle.take(100.0)) == 1
