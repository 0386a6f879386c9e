"""What a heal takes for a trouble, and what not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.heal import (
    OLD,
    Heal,
    Leftover,
    StepReport,
    StepResult,
    Trouble,
    clock_jump,
    is_nearly_full,
    is_scarce,
    is_swollen,
    leftover,
    sample_size,
)
from konivrer_watch.core.schedule import Instant

GB = 1 << 30
MB = 1 << 20


@given(st.integers(0, 10**7))
def test_a_sample_is_one_in_a_hundred_within_its_bounds_and_never_more_than_there_is(verdicts: int) -> None:
    size = sample_size(verdicts)
    assert size <= verdicts
    assert size >= min(verdicts, 20)
    assert size <= 200
    if 2000 <= verdicts <= 20_000:
        assert size == verdicts // 100


@pytest.mark.parametrize(
    ("free", "total", "full"),
    [
        (2 * GB, 1000 * GB, False),
        (GB - 1, 1000 * GB, True),
        (GB - 1, 10 * GB, False),
        (MB, 64 * MB, True),
        (4 * MB, 64 * MB, False),
        (0, 0, False),
    ],
)
def test_a_disk_is_nearly_full_by_its_share_and_by_what_is_left(free: int, total: int, full: bool) -> None:
    assert is_nearly_full(free, total) is full


def test_watches_are_scarce_from_nine_tenths_on() -> None:
    assert [is_scarce(used, 1000) for used in (0, 899, 900, 1000)] == [False, False, True, True]


@given(st.integers(16 * MB, 64 * GB))
def test_a_worker_as_it_comes_from_a_day_of_work_is_never_swollen(memory_max: int) -> None:
    # 67 MB were measured after all of Django.
    assert not is_swollen(70 * MB, memory_max)


def test_a_worker_that_keeps_more_than_half_of_what_a_job_may_take_is_swollen() -> None:
    assert is_swollen(161 * MB, 512 * MB)
    assert not is_swollen(159 * MB, 512 * MB)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-1e8, 1e8))
def test_only_a_wall_clock_that_was_set_is_a_jump_and_sleep_is_none(
    then: float, passed: float, jump: float
) -> None:
    before, now = Instant(1e9, then), Instant(1e9 + passed + jump, then + passed)
    found = clock_jump(before, now)
    if abs(jump) > 31:
        assert found == pytest.approx(jump, abs=1)
    if abs(jump) < 29:
        assert found is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (b"service.json.123", Leftover.DRAFT),
        (b"timers.json.1", Leftover.DRAFT),
        (b"trust.json.77", Leftover.DRAFT),
        (b"heal-test.9", Leftover.DRAFT),
        (b"control.sock", Leftover.SOCKET),
        (b".watchman-cookie-konivrer-watch", Leftover.COOKIE),
        (b"verdicts.db.aside", Leftover.ASIDE),
        (b"state.db.aside", Leftover.ASIDE),
    ],
)
def test_what_is_ours_is_left_over_once_it_is_old(name: bytes, kind: Leftover) -> None:
    assert leftover(name, 30 * 86_400.0, 60.0) is kind
    assert leftover(name, OLD, 60.0) is None
    assert leftover(name, -5.0, 60.0) is None


@pytest.mark.parametrize(
    "name",
    [
        *(b"service.json", b"timers.json", b"lock", b"supervisor.lock", b"state.db", b"state.db-wal"),
        *(b"verdicts.db", b"service.json.12a", b"xservice.json.12", b"index.lock", b"HEAD", b"a.py", b""),
        *(b".watchman-cookie-host-1", b"auto-heal.log", b"auto-heal.log.1", b"control.sock\n"),
    ],
)
def test_nothing_else_is_ever_left_over(name: bytes) -> None:
    assert leftover(name, 1e9, 60.0) is None


def test_a_probe_that_is_touched_rarely_is_not_taken_for_an_old_one() -> None:
    assert leftover(b".watchman-cookie-konivrer-watch", 7200.0, 86_400.0) is None


def test_a_heal_counts_what_was_found_and_what_of_it_is_right_again() -> None:
    mended = Trouble("a", mended="b")
    heal = Heal(
        "now",
        (
            StepResult("one", StepReport((mended, Trouble("c", why="d"))), 0.5),
            StepResult("two", StepReport(), 0.25),
        ),
    )
    assert (heal.found, heal.mended, heal.seconds) == (2, 1, 0.75)
    assert heal.troubles[0] == ("one", mended)
