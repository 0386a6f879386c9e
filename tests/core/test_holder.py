"""What is written into a lock is read back, and what else may stand there names nobody."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.holder import Holder, holder_line, read_holder
from konivrer_watch.core.model import Launcher

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(st.integers(1, 2**31 - 1), st.sampled_from(Launcher), st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_back(pid: int, launcher: Launcher, since: datetime) -> None:
    assert read_holder(holder_line(pid, launcher, since)) == Holder(pid, launcher)


def test_the_line_is_fit_to_be_read() -> None:
    assert holder_line(7, Launcher.DIRECT, NOON) == "process 7 (direct), since 2026-01-01 12:00:00 UTC"


@pytest.mark.parametrize("line", ["process 42, since noon", "process 42 (heal), since noon", "process 42"])
def test_a_holder_without_a_launcher_that_is_known_has_its_number_all_the_same(line: str) -> None:
    assert read_holder(line) == Holder(42, None)


@pytest.mark.parametrize(
    "line",
    [
        *("", "?", "process", "a process 7", "process 7x (direct)"),
        *("process 0 (direct), since noon", "process -1 (direct), since noon"),
        *("process 2147483648 (direct)", "process 99999999999 (direct)"),
    ],
)
def test_what_is_no_process_names_nobody(line: str) -> None:
    assert read_holder(line) is None


@given(st.text())
def test_a_line_may_be_anything(line: str) -> None:
    found = read_holder(line)
    assert found is None or 0 < found.pid < 2**31
