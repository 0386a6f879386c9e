"""When the monitor ends a service, and when it leaves it alone."""

from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.guard import (
    ENOUGH,
    STARTING_LIMIT,
    Sign,
    Watched,
    ended,
    must_end,
    next_look,
    seen,
)

BAD = (Sign.SILENT, Sign.FAILED)
LOOKS = st.lists(st.tuples(st.sampled_from(Sign), st.floats(0.1, 60)), max_size=40)


def after(*looks: tuple[Sign, float]) -> tuple[Watched, float]:
    """What is known after these signs, each so many seconds after the one before."""
    watched, now = Watched(), 0.0
    for sign, pause in looks:
        now += pause
        watched = seen(watched, sign, now)
    return watched, now


@given(LOOKS, st.sampled_from(BAD))
def test_a_second_bad_sign_in_a_row_ends_the_service_and_the_first_does_not(
    looks: list[tuple[Sign, float]], bad: Sign
) -> None:
    assert not must_end(*after(*looks, (Sign.ANSWERED, 1), (bad, 1)))
    assert must_end(*after(*looks, (Sign.ANSWERED, 1), (bad, 1), (bad, 1)))


@given(LOOKS)
def test_what_answered_last_or_is_not_there_is_never_ended(looks: list[tuple[Sign, float]]) -> None:
    assert not must_end(*after(*looks, (Sign.ANSWERED, 1)))
    assert not must_end(*after(*looks, (Sign.ABSENT, 1)))


@given(LOOKS)
def test_the_service_is_ended_only_after_enough_equal_signs_or_a_long_start(
    looks: list[tuple[Sign, float]],
) -> None:
    watched, now = after(*looks)
    if must_end(watched, now):
        assert watched.sign not in (Sign.ANSWERED, Sign.ABSENT)
        last = [sign for sign, _ in looks[-ENOUGH:]]
        assert last == [watched.sign] * ENOUGH or now - watched.since >= STARTING_LIMIT


def test_a_start_may_take_as_long_as_the_longest_wait_after_crashes_and_not_for_ever() -> None:
    assert not must_end(*after((Sign.STARTING, 1), (Sign.STARTING, 330)))
    assert must_end(*after((Sign.STARTING, 1), (Sign.STARTING, STARTING_LIMIT)))


def test_an_answer_between_starts_the_count_anew() -> None:
    assert not must_end(*after((Sign.SILENT, 1), (Sign.ANSWERED, 1), (Sign.SILENT, 1)))
    watched, now = after((Sign.STARTING, 1), (Sign.ABSENT, 800), (Sign.STARTING, 1), (Sign.STARTING, 800))
    assert not must_end(watched, now)


@given(LOOKS, st.floats(1, 86_400))
def test_the_next_look_is_never_later_than_the_interval_and_never_at_once(
    looks: list[tuple[Sign, float]], interval: float
) -> None:
    assert 0 < next_look(after(*looks)[0], interval) <= interval


def test_a_bad_sign_and_a_service_that_is_awaited_are_looked_at_soon() -> None:
    assert next_look(after((Sign.ANSWERED, 1))[0], 60) == 60
    assert next_look(after((Sign.SILENT, 1))[0], 60) <= 2
    assert next_look(ended(5), 60) <= 2
    assert next_look(seen(ended(5), Sign.STARTING, 6), 60) <= 2


@given(st.sampled_from([Sign.SILENT, Sign.STARTING, Sign.ABSENT]))
def test_only_an_answer_ends_the_waiting_for_the_next_life(sign: Sign) -> None:
    assert seen(ended(5), sign, 6).awaited == 5
    assert seen(ended(5), Sign.ANSWERED, 6).awaited is None


@given(st.sampled_from(BAD))
def test_a_service_that_was_just_ended_is_not_ended_for_what_it_was_before(bad: Sign) -> None:
    watched, now = after((bad, 1), (bad, 1))
    assert must_end(watched, now)
    assert not must_end(seen(ended(now), bad, now + 1), now + 1)
