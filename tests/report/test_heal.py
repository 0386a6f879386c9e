"""A heal as text, JSON and log lines: everything that was found is in each, and safe to print."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.heal import Heal, StepReport, StepResult, Trouble
from konivrer_watch.report.heal import HealJson, heal_json, heal_text, log_lines

TEXT = st.text(max_size=8)
TROUBLES = st.builds(
    lambda what, end, well: Trouble(what, mended=end) if well else Trouble(what, why=end),
    TEXT,
    TEXT,
    st.booleans(),
)
STEPS = st.builds(
    lambda name, troubles, seconds: StepResult(name, StepReport(tuple(troubles)), seconds),
    st.sampled_from(["store", "tree", "leftovers"]),
    st.lists(TROUBLES, max_size=3),
    st.floats(0, 1000),
)
HEALS = st.builds(lambda steps: Heal("2026-01-01T00:00:00Z", tuple(steps)), st.lists(STEPS, max_size=3))
MIXED = Heal(
    "2026-01-01T00:00:00Z",
    (
        StepResult("store", StepReport(), 0.04),
        StepResult("leftovers", StepReport((Trouble("x", mended="removed"), Trouble("y", why="z"))), 1.26),
    ),
)


def decoded(heal: Heal) -> HealJson:
    return msgspec.json.decode(heal_json(b"/r", heal), type=HealJson)


def test_json_has_everything_in_schema_1() -> None:
    assert json.loads(heal_json(b"/r\xff", MIXED)) == {
        "schema": 1,
        "root": "/r\\xff",
        "at": "2026-01-01T00:00:00Z",
        "found": 2,
        "mended": 1,
        "steps": [
            {"name": "store", "found": [], "mended": [], "unmended": [], "seconds": 0.04},
            {
                "name": "leftovers",
                "found": ["x", "y"],
                "mended": ["x; removed"],
                "unmended": [{"what": "y", "why": "z"}],
                "seconds": 1.26,
            },
        ],
    }


def test_text_has_a_line_for_each_step_and_one_for_each_thing() -> None:
    assert heal_text(decoded(MIXED)).splitlines() == [
        "/r: 2 things found, 1 mended, 1 NOT",
        "  store      well, 0.0 s",
        "  leftovers  2 things found, 1 mended, 1 NOT, 1.3 s",
        "    mended: x; removed",
        "    NOT MENDED: y: z",
    ]


def test_a_log_has_one_line_where_nothing_was_found_and_else_one_for_each_thing() -> None:
    assert list(log_lines(Heal("then", (StepResult("a", StepReport(), 0.36),)))) == [
        (False, "heal: nothing to mend, 0.4 s")
    ]
    assert list(log_lines(MIXED)) == [
        (False, "leftovers: x; removed"),
        (True, "leftovers: y; not mended: z"),
    ]


@given(HEALS)
def test_whatever_was_found_each_form_counts_it_and_none_breaks_a_line(heal: Heal) -> None:
    told = decoded(heal)
    assert told.found == heal.found == sum(len(step.found) for step in told.steps)
    assert told.mended == heal.mended == sum(len(step.mended) for step in told.steps)
    lines = heal_text(told).split("\n")
    assert len(lines) == 1 + len(heal.steps) + heal.found
    assert heal_text(told).splitlines() == lines
    assert len(list(log_lines(heal))) == max(heal.found, 1)
