"""The runner takes pairs in turn and controls itself; what it hands over is for the gate to judge."""

import time

import pytest

from konivrer_watch.daemon.rule_bench import clock_for, measure
from konivrer_watch.passes.optimize.document import Workload
from konivrer_watch.passes.optimize.gate import summarise
from tests.passes.pack import LOADED


class Ticks:
    """A clock that programs move themselves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def spending(before: float, after: float, setup: str = "") -> tuple[Workload, Ticks]:
    ticks = Ticks()
    SPENDERS.append(ticks)
    index = len(SPENDERS) - 1
    known = f"from tests.daemon.test_rule_bench import SPENDERS\nspend = SPENDERS[{index}].spend\n{setup}"
    return Workload("w", f"spend({before})", f"spend({after})", known), ticks


SPENDERS: list[Ticks] = []


def test_ratios_are_those_of_the_programs_and_the_control_is_one() -> None:
    workload, ticks = spending(0.003, 0.002)
    pairs = measure(workload, 5, 0.1, ticks)
    figures = summarise(pairs)
    assert len(pairs.before) == len(pairs.after) == len(pairs.control) == 5
    assert figures.median == pytest.approx(1.5)
    assert figures.control == pytest.approx(1)
    assert figures.saved == pytest.approx(0.001)


def test_a_program_is_repeated_until_it_takes_long_enough() -> None:
    workload, ticks = spending(0.001, 0.001)
    assert measure(workload, 1, 0.05, ticks).before[0] == pytest.approx(0.001)
    assert 0.2 < ticks.now < 1


def test_the_setup_is_not_timed() -> None:
    workload, ticks = spending(0.001, 0.001, "spend(5)")
    assert measure(workload, 1, 0.001, ticks).before[0] == pytest.approx(0.001)


def test_a_program_that_does_not_compile_is_named() -> None:
    with pytest.raises(ValueError, match=r"^w: "):
        measure(Workload("w", "x = (", "x = 1"), 1, 0.001, time.process_time)


def test_children_count_where_they_do_the_work() -> None:
    by_class = {rule.document.class_: clock_for(rule.document) for rule in LOADED}
    assert by_class["constant"] is time.process_time
    assert by_class["io"] is not time.process_time
    assert by_class["io"]() >= 0
