"""Instants are shown with their age, and spans in their largest units."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.report.instants import age, instant, parse, span

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (0.4, "just now"),
        (1, "1 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (200_000, "2 d ago"),
        (-5, "in 5 s"),
        (-301, "in 5 min"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


def test_an_instant_is_shown_beside_its_age_and_what_is_none_as_it_is() -> None:
    assert instant("2025-12-31T23:57:00.5Z", NOW) == "2025-12-31T23:57:00Z (3 min ago)"
    assert instant("yesterday", NOW) == "yesterday"


@given(st.text() | st.sampled_from(["0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"]))
def test_no_text_is_taken_for_an_instant_of_an_unknown_zone(text: str) -> None:
    found = parse(text)
    assert found is None or found.tzinfo is UTC


@given(st.integers(0, 10**9))
def test_a_span_has_at_most_three_units_and_begins_with_one_that_is_not_empty(seconds: int) -> None:
    units = span(seconds).split()[1::2]
    assert units in [["s"], ["min", "s"], ["h", "min", "s"], ["d", "h", "min"]]
    assert seconds == 0 or span(seconds)[0] != "0"
    assert span(93_784) == "1 d 2 h 3 min"
    assert span(0) == "0 s"
