"""The exit code follows from the findings' levels first, and from completeness second."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Level
from konivrer_watch.core.settings import FailOn
from konivrer_watch.report.verdicts import Report, exit_code, in_order, level_counts
from tests.report.samples import JOIN, SHELL, UNUSED, reports

bars: st.SearchStrategy[FailOn] = st.sampled_from(get_args(FailOn))
REACHED: dict[FailOn, set[Level]] = {
    "never": set(),
    "error": {Level.ERROR},
    "warning": {Level.ERROR, Level.WARNING},
    "note": {Level.ERROR, Level.WARNING, Level.NOTE},
}


@given(reports, bars)
def test_findings_at_or_above_the_bar_give_1_and_win_over_incompleteness(report: Report, bar: FailOn) -> None:
    reached = any(finding.level in REACHED[bar] for _, finding in report.findings)
    expected = 1 if reached else 0 if report.complete else 3
    assert exit_code(report, bar) == expected


@pytest.mark.parametrize(
    ("bar", "complete", "code"),
    [
        ("error", True, 0),
        ("error", False, 3),
        ("warning", True, 1),
        ("warning", False, 1),
        ("note", True, 1),
        ("never", True, 0),
        ("never", False, 3),
    ],
)
def test_exit_codes_of_a_tree_with_a_warning_and_a_note(bar: FailOn, complete: bool, code: int) -> None:
    report = Report("/r", complete, "2026-01-01T00:00:00Z", findings=((b"a.py", UNUSED), (b"a.py", JOIN)))
    assert exit_code(report, bar) == code


@given(reports)
def test_order_does_not_depend_on_the_order_given(report: Report) -> None:
    keys = [(path, finding.order) for path, finding in in_order(report.findings)]
    assert keys == sorted(keys)
    again = in_order(reversed(report.findings))
    assert [(path, finding.order) for path, finding in again] == keys


def test_findings_alike_but_for_their_end_come_shortest_first() -> None:
    longer = msgspec.structs.replace(UNUSED, end_column=20)
    in_next_cell = msgspec.structs.replace(UNUSED, cell=1)
    expected = [(b"a", UNUSED), (b"a", in_next_cell), (b"a", longer)]
    assert in_order(reversed(expected)) == expected


def test_every_level_is_counted_worst_first() -> None:
    counts = level_counts([UNUSED, SHELL, UNUSED])
    assert list(counts.items()) == [(Level.ERROR, 1), (Level.WARNING, 2), (Level.NOTE, 0)]
