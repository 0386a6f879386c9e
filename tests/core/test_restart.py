"""How long a service that crashes is waited for: longer each time, loudly after too many, and never for ever."""

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import (
    SLOW,
    WAITS,
    Phase,
    ServiceRecord,
    begin,
    crashed,
    ending,
    has_just_failed,
    pause,
    restarted,
    steadied,
    steady_after,
    stopped,
    unended,
)

AT = "2026-01-01T00:00:00Z"
FAULT = "konivrer-watch: this is a fault of the program itself; please report it\n"
LATER = "2026-01-01T01:00:00Z"
# A life crashes at once, or after it was steady.
HISTORY = st.lists(st.booleans(), max_size=40)


def started(launcher: Launcher = Launcher.DIRECT) -> ServiceRecord:
    return begin(None, launcher, "boot", AT, 7 if launcher is Launcher.DIRECT else None)


def crash(record: ServiceRecord, *, after_steady: bool = False) -> ServiceRecord:
    alive = record if record.phase is Phase.RUNNING else restarted(record, AT)
    return crashed(steadied(alive) if after_steady else alive, "killed by signal 9", AT)


def row(length: int) -> list[ServiceRecord]:
    """The records after each crash of a row."""
    records = [crash(started())]
    while len(records) < length:
        records.append(crash(records[-1]))
    return records


@given(HISTORY)
def test_there_is_always_a_next_life_after_a_wait_of_at_most_five_minutes(history: list[bool]) -> None:
    record = started()
    for steady in history:
        record = crash(record, after_steady=steady)
        assert record.phase in (Phase.WAITING, Phase.FAILED)
        assert 0 < pause(record) <= SLOW
        assert restarted(record, AT).phase is Phase.RUNNING


@given(HISTORY)
def test_waits_never_shrink_within_a_row_and_begin_anew_after_a_steady_life(history: list[bool]) -> None:
    record, previous = started(), 0.0
    for steady in history:
        record = crash(record, after_steady=steady)
        assert pause(record) == WAITS[0] if steady else pause(record) >= previous
        previous = pause(record)


@given(HISTORY)
def test_failed_is_said_of_rows_longer_than_the_waits_only(history: list[bool]) -> None:
    record, length = started(), 0
    for steady in history:
        length = 1 if steady else length + 1
        record = crash(record, after_steady=steady)
        assert (record.phase is Phase.FAILED) == (length > len(WAITS))
        assert record.failures == length


@given(HISTORY)
def test_every_restart_is_counted_and_the_last_reason_kept(history: list[bool]) -> None:
    record = started()
    for steady in history:
        record = restarted(crash(record, after_steady=steady), AT)
    assert record.restarts == len(history)
    assert record.reason == ("killed by signal 9" if history else None)


@given(HISTORY, st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)))
def test_the_next_attempt_is_announced_to_the_second_and_never_too_early(
    history: list[bool], now: datetime
) -> None:
    record = started()
    for steady in history:
        record = crash(record, after_steady=steady)
    at = now.replace(microsecond=0)
    record = crashed(restarted(record, AT), "x", at.isoformat() + "Z")
    due = datetime.fromisoformat(record.retry_at or "").replace(tzinfo=None)
    assert 0 <= (due - at - timedelta(seconds=pause(record))).total_seconds() < 1


@given(HISTORY)
def test_a_record_survives_the_disk(history: list[bool]) -> None:
    record = started()
    for steady in history:
        record = crash(record, after_steady=steady)
    assert msgspec.json.decode(msgspec.json.encode(record), type=ServiceRecord) == record


def test_the_waits_of_a_row_grow_and_end_at_five_minutes() -> None:
    waits = [pause(record) for record in row(len(WAITS) + 3)]
    assert waits == [*WAITS, SLOW, SLOW, SLOW]
    assert all(first < second for first, second in pairwise(WAITS))


def test_the_crash_that_makes_it_failed_is_told_from_those_that_follow() -> None:
    told = [has_just_failed(record) for record in row(len(WAITS) + 3)]
    assert told == [*[False] * len(WAITS), True, False, False]


def test_a_service_that_runs_or_was_stopped_waits_for_nothing() -> None:
    record = started()
    assert pause(record) == pause(stopped(record, AT)) == 0
    assert restarted(crash(record), AT).retry_at is None
    assert stopped(crash(record), AT).retry_at is None


def test_our_own_supervisor_begins_a_new_record_whatever_there_was() -> None:
    for old in (None, crash(started()), stopped(started(), AT), row(9)[-1]):
        assert begin(old, Launcher.DIRECT, "boot", LATER, 8) == ServiceRecord(
            Launcher.DIRECT, "boot", LATER, LATER, supervisor_pid=8
        )


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
def test_a_life_that_left_a_running_record_behind_has_crashed(launcher: Launcher) -> None:
    record = begin(started(launcher), launcher, "boot", LATER)
    assert (record.phase, record.failures, record.started) == (Phase.WAITING, 1, AT)
    assert "without a word" in (record.reason or "")


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
def test_a_life_that_was_killed_while_it_waited_goes_on_waiting(launcher: Launcher) -> None:
    waiting = crash(started(launcher))
    record = begin(waiting, launcher, "boot", LATER)
    assert (record.phase, record.failures, record.at) == (Phase.WAITING, 1, LATER)


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
@pytest.mark.parametrize("length", [1, len(WAITS) + 1])
def test_a_life_that_goes_on_waiting_announces_when_it_will_be_tried_now(
    launcher: Launcher, length: int
) -> None:
    waiting = started(launcher)
    for _ in range(length):
        waiting = crash(waiting)
    record = begin(waiting, launcher, "boot", LATER)
    due = datetime.fromisoformat(record.retry_at or "") - datetime.fromisoformat(LATER)
    assert 0 <= due.total_seconds() - pause(record) < 1


@given(st.sampled_from(Phase), st.integers())
def test_a_record_that_contradicts_itself_is_waited_for_all_the_same(phase: Phase, failures: int) -> None:
    record = msgspec.structs.replace(started(), phase=phase, failures=failures)
    assert pause(record) in (0.0, *WAITS, SLOW)


def test_a_life_is_steady_after_the_interval_or_a_minute() -> None:
    assert [steady_after(seconds) for seconds in (1.0, 60.0, 3600.0)] == [1.0, 60.0, 60.0]


def test_a_stop_another_boot_and_another_launcher_begin_anew() -> None:
    record = started(Launcher.SYSTEMD)
    for old, launcher, boot in (
        (stopped(record, AT), Launcher.SYSTEMD, "boot"),
        (record, Launcher.SYSTEMD, "another boot"),
        (record, Launcher.DOCKER, "boot"),
    ):
        assert begin(old, launcher, boot, LATER) == ServiceRecord(launcher, boot, LATER, LATER)


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (-9, "", "killed by signal 9"),
        (137, "", "killed by signal 9"),
        (-15, "konivrer-watch: x", "killed by signal 15"),
        (0, "", "it ended without being told to"),
        (
            2,
            "a\nkonivrer-watch: x.toml: fixx: is not a setting\n",
            "exit code 2: x.toml: fixx: is not a setting",
        ),
        (
            2,
            "a\nkonivrer-watch: x.toml: fixx: is not a setting\n\ny.toml: workers: must be positive\n",
            "exit code 2: x.toml: fixx: is not a setting; y.toml: workers: must be positive",
        ),
        (
            2,
            "konivrer-watch: an earlier word\nkonivrer-watch: the last one\n",
            "exit code 2: the last one",
        ),
        (
            70,
            f"konivrer-watch: a warning\nTraceback (most recent call last):\n  x\nKeyError: 1\n{FAULT}",
            "exit code 70: KeyError: 1",
        ),
        (70, " \n", "exit code 70, without a word"),
        (70, f"Traceback …\nKeyError: 1\n{FAULT}", "exit code 70: KeyError: 1"),
        (70, f"    | KeyError: 1\n    +-------------\n{FAULT}", "exit code 70: KeyError: 1"),
    ],
)
def test_an_end_is_told_in_words(code: int, words: str, told: str) -> None:
    assert ending(code, words) == told


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=40))
def test_an_end_is_told_in_some_three_hundred_characters_however_many_faults_there_are(
    faults: list[str],
) -> None:
    told = ending(2, "konivrer-watch: " + "\n".join(faults))
    assert len(told) < 350
    assert "\n" not in told


def test_faults_that_are_not_told_are_counted() -> None:
    faults = [f"konivrer-watch.toml: key_{number:03}: is not a setting" for number in range(40)]
    told = ending(2, "konivrer-watch: " + "\n".join(faults))
    assert told.startswith(f"exit code 2: {faults[0]}; {faults[1]}; ")
    assert told.endswith(f"; and {40 - told.count('is not a setting')} more")


def test_a_supervisor_that_was_not_stopped_is_told_of_by_the_next_one() -> None:
    before = started()
    killed = "the supervisor before, process 7, ended without a word (killed, or out of memory)"
    assert unended(before, "boot", 8) == unended(crash(before), "boot", 8) == killed
    down = "the supervisor before, process 7, was not stopped when this machine went down"
    assert unended(before, "another", 8) == down


def test_of_a_supervisor_that_was_stopped_or_is_this_one_or_was_none_there_is_nothing_to_tell() -> None:
    for before in (None, stopped(started(), AT), started(Launcher.SYSTEMD)):
        assert unended(before, "boot", 8) is None
    assert unended(started(), "boot", 7) is None
