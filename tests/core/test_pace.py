import itertools
import math
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.pace import (
    PAUSE_AFTER,
    RESUME_AFTER,
    STALE_AFTER,
    STARVATION_LIMIT,
    WINDOW,
    Go,
    Limits,
    Load,
    Pace,
    Resource,
    Wait,
    decide,
    started,
    step,
)

LIMITS = Limits()

figures = (
    st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0, 59, 61, 79, 81, 100])
)
gaps = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.9, 3.0, 5.0, 31.0]) | st.floats(0, 40)


@st.composite
def any_loads(draw: st.DrawFn) -> list[Load]:
    at, loads = draw(st.floats(0, 1e6)), []
    for gap in draw(st.lists(gaps, max_size=150)):
        at += gap
        loads.append(Load(at, draw(figures), draw(figures), draw(figures), draw(figures)))
    return loads


@st.composite
def stretches(draw: st.DrawFn) -> list[Load]:
    """Load that changes sides about as often as a pause and a resume each allow."""
    percents: list[float] = []
    for high, low in draw(st.lists(st.tuples(st.integers(3, 6), st.integers(5, 8)), max_size=20)):
        percents += [95.0] * high + [10.0] * low
    return [Load(float(at), percent) for at, percent in enumerate(percents)]


def states(loads: Iterable[Load], limits: Limits = LIMITS) -> list[Pace]:
    found = [Pace()]
    for load in loads:
        found.append(step(found[-1], load, limits))
    return found


def cpu(*percents: float | None) -> list[Load]:
    return [Load(float(at), percent) for at, percent in enumerate(percents)]


def paused(percents: Sequence[float | None]) -> list[bool]:
    return [state.pause is not None for state in states(cpu(*percents))[1:]]


def transitions(found: list[Pace]) -> list[float]:
    return [
        after.load.at
        for before, after in itertools.pairwise(found)
        if after.load is not None and (before.pause is None) != (after.pause is None)
    ]


def test_three_seconds_over_the_threshold_pause_and_five_under_the_resume_mark_resume() -> None:
    assert paused([90, 90, 90, 90]) == [False, False, False, True]
    assert paused([90] * 4 + [50] * 6) == [False] * 3 + [True] * 6 + [False]


def test_one_sample_under_the_threshold_breaks_the_stretch() -> None:
    assert not any(paused([90, 90, 90, 70, 90, 90, 90, 80, 90, 90, 90]))


def test_between_the_marks_neither_pauses_nor_resumes() -> None:
    assert not any(paused([75] * 100))
    assert all(paused([90] * 4 + [75] * 100)[3:])


def test_two_samples_three_seconds_apart_are_enough_and_one_never_is() -> None:
    assert states([Load(0.0, 90.0), Load(PAUSE_AFTER, 90.0)])[-1].pause is not None
    assert states([Load(1e9, 100.0, 100.0, 100.0)])[-1].pause is None


def test_an_alternation_around_the_threshold_causes_no_transition() -> None:
    assert not any(paused([79, 81] * 500))
    assert all(paused([90] * 4 + [79, 81] * 500)[3:])


def test_the_reason_names_the_figure_and_the_cause() -> None:
    loads = [Load(float(at), 92.6, cause="stress-ng, pid 123, 48 %" if at == 3 else None) for at in range(4)]
    wait = decide(states(loads)[-1], 3.0)
    cause = "stress-ng, pid 123, 48 %"
    sentence = "CPU: other programs use 93 % of this machine (stress-ng, pid 123, 48 %)"
    assert wait == Wait(reason=sentence, cause=cause, since=3.0)


def test_a_cause_found_after_the_pause_began_is_told_and_then_kept() -> None:
    loads = cpu(90, 90, 90, 90, 95, 70)
    loads[4] = Load(4.0, 95.0, cause="make, pid 7, 60 %")
    found = [decide(state, 9.0) for state in states(loads)]
    assert found[4] == Wait("CPU: other programs use 90 % of this machine", None, 3.0)
    assert (
        found[5]
        == found[6]
        == Wait("CPU: other programs use 95 % of this machine (make, pid 7, 60 %)", "make, pid 7, 60 %", 3.0)
    )


@pytest.mark.parametrize(
    ("load", "resource", "reason"),
    [
        (
            Load(0.0, memory_others_percent=85.0),
            Resource.MEMORY,
            "memory: other programs use 85 % of this machine",
        ),
        (Load(0.0, memory_pressure=12.0), Resource.PRESSURE, "memory: programs wait for it 12 % of the time"),
    ],
)
def test_memory_and_its_pressure_pause_too(load: Load, resource: Resource, reason: str) -> None:
    later = Load(3.0, load.cpu_others_percent, load.memory_others_percent, load.memory_pressure)
    state = states([load, later])[-1]
    assert state.over is resource
    assert decide(state, 3.0) == Wait(reason, None, 3.0)


def test_a_cause_is_not_carried_from_one_resource_to_another() -> None:
    loads = [Load(float(at), 95.0, cause="make, pid 7, 60 %") for at in range(4)]
    wait = decide(states([*loads, Load(4.0, 10.0, 95.0)])[-1], 4.0)
    assert wait == Wait("memory: other programs use 95 % of this machine", None, 3.0)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_what_becomes_unknown_ends_a_pause(unknown: float | None) -> None:
    assert paused([90] * 4 + [unknown] * 6)[-1] is False


def test_a_pause_that_rests_on_old_news_ends_with_the_first_new_sample() -> None:
    state = states([*cpu(90, 90, 90, 90), Load(4 + STALE_AFTER)])[-1]
    assert decide(state, state.load.at if state.load else 0.0) == Go()


def test_a_pause_for_memory_outlives_silence_while_memory_is_still_used() -> None:
    loads = [Load(float(at), memory_others_percent=95.0) for at in (0, 3, 100)]
    assert states(loads)[-1].pause is not None


def test_a_long_silence_is_no_stretch() -> None:
    assert states([Load(0.0, 90.0), Load(STALE_AFTER + 1, 90.0)])[-1].pause is None


def test_one_piece_of_work_is_let_through_each_ten_minutes_of_a_pause() -> None:
    state = states(cpu(*[90.0] * 4))[-1]
    assert isinstance(decide(state, 3.0 + STARVATION_LIMIT - 1), Wait)
    assert decide(state, 3.0 + STARVATION_LIMIT) == Go(overdue=True)
    state = started(state, 3.0 + STARVATION_LIMIT)
    assert isinstance(decide(state, 3.0 + STARVATION_LIMIT + 1), Wait)
    assert decide(state, 3.0 + 2 * STARVATION_LIMIT) == Go(overdue=True)


def test_after_a_burst_of_transitions_the_throttle_rests_paused() -> None:
    found = states(cpu(*([95] * 4 + [10] * 6) * 6))
    assert len(transitions(found)) < 12
    assert all(state.pause is not None for state in states(cpu(*([95] * 4 + [10] * 6) * 4))[-4:])


@given(st.lists(st.tuples(gaps, st.floats(0, 100)), max_size=150))
def test_own_load_alone_never_pauses(samples: list[tuple[float, float]]) -> None:
    at = 0.0
    state = Pace()
    for gap, own in samples:
        at += gap
        state = step(state, Load(at, 0.0, 0.0, 0.0, own), LIMITS)
        assert decide(state, at) == Go()


@given(any_loads() | stretches(), st.floats(0, 100), st.floats(0, 100))
def test_there_are_at_most_six_transitions_in_any_minute(loads: list[Load], one: float, two: float) -> None:
    for limits in (LIMITS, Limits(threshold=max(one, two), resume=min(one, two))):
        moments = transitions(states(loads, limits))
        for moment in moments:
            assert sum(1 for other in moments if moment <= other <= moment + 60) <= 6


@given(any_loads(), st.floats(0, 1e4))
def test_any_input_gets_an_answer_and_starvation_ends_any_wait(loads: list[Load], later: float) -> None:
    for state in states(loads):
        now = (state.load.at if state.load is not None else 0.0) + later
        answer = decide(state, now)
        if isinstance(answer, Wait):
            assert now - answer.since < STARVATION_LIMIT
            assert answer.reason
            assert isinstance(decide(state, answer.since + STARVATION_LIMIT + 1e-3), Go)


@given(any_loads())
def test_it_resumes_within_a_minute_and_some_once_others_are_quiet(loads: list[Load]) -> None:
    state = states(loads)[-1]
    at = state.load.at if state.load is not None else 0.0
    for second in range(1, int(WINDOW + RESUME_AFTER) + 2):
        state = step(state, Load(at + second, 10.0, 10.0, 0.0), LIMITS)
    assert decide(state, at + 100) == Go()


@given(any_loads(), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_samples_out_of_time_change_nothing(loads: list[Load], at: float) -> None:
    state = states(loads)[-1]
    assert step(state, Load(at, 99.0, 99.0, 99.0), LIMITS) is state
    if state.load is not None:
        assert step(state, Load(state.load.at, 99.0, 99.0, 99.0), LIMITS) is state
