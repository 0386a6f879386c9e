"""The gate decides by paired times: the worst workload, the best one, and a control."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.passes.optimize.document import Gate
from konivrer_watch.passes.optimize.gate import (
    CONTROL_TOLERANCE,
    Decision,
    Figures,
    Outcome,
    Pairs,
    decide,
    summarise,
)
from tests.passes.pack import LOADED

GATE = Gate(0.97, 1.10)


def workload(name: str, before: float, after: float, control: float = 1.0) -> Pairs:
    """Return pairs that scatter a little around these seconds."""
    scatter = [0.99, 1.0, 1.01, 1.0, 1.0, 0.995, 1.005, 1.0, 1.0, 1.0]
    return Pairs(
        name,
        tuple([before * by for by in scatter]),
        tuple([after * by for by in reversed(scatter)]),
        tuple([(control * by, by) for by in scatter]),
    )


def judged(*pairs: Pairs, gate: Gate = GATE) -> Decision:
    return decide(gate, [summarise(pair) for pair in pairs])


# len([x for x in xs if x]) against sum(1 for x in xs if x): median CPU seconds of 15 runs on CPython 3.11.7.
COUNTED = [("n=0", 86.9e-9, 118.8e-9), ("n=5", 138.7e-9, 209.6e-9), ("n=1000", 10.64e-6, 16.66e-6)]


def test_counting_by_sum_instead_of_len_is_rejected_as_slower() -> None:
    decision = judged(*[workload(name, before, after) for name, before, after in COUNTED])
    assert decision.outcome is Outcome.REJECTED
    assert decision.reason == "n=1000: 0.64\u00d7 is below 0.97\u00d7"


def test_a_rule_that_is_slower_on_one_size_only_is_rejected() -> None:
    """An append loop as a comprehension on CPython 3.11: one size lies."""
    decision = judged(workload("n=0", 37e-9, 100e-9), workload("n=1000", 105e-7, 100e-7))
    assert (decision.outcome, decision.reason) == (Outcome.REJECTED, "n=0: 0.37\u00d7 is below 0.97\u00d7")


def test_a_rule_that_is_faster_somewhere_and_slower_nowhere_passes() -> None:
    decision = judged(workload("n=0", 179e-9, 100e-9), workload("n=1000", 132e-7, 100e-7))
    assert (decision.outcome, decision.reason) == (Outcome.PASSED, "1.32\u00d7 to 1.79\u00d7")


def test_a_rule_that_changes_nothing_is_inconclusive() -> None:
    decision = judged(workload("n=0", 1.0, 1.0), workload("n=1000", 1.05, 1.0))
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reason.startswith("n=1000: 1.0")


def test_one_lucky_run_in_ten_does_not_pass_a_rule() -> None:
    even = workload("n=0", 1.0, 1.0)
    lucky = Pairs("n=0", (*even.before[:9], 9.0), even.after, even.control)
    assert judged(lucky).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("control", [1 + CONTROL_TOLERANCE + 0.01, 1 - CONTROL_TOLERANCE - 0.01])
def test_a_control_that_strays_makes_all_inconclusive(control: float) -> None:
    decision = judged(workload("n=0", 2.0, 1.0), workload("n=5", 0.5, 1.0, control))
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reason == f"n=5: the control run strays to {control:.2f}\u00d7"


def test_nothing_measured_is_inconclusive() -> None:
    assert decide(GATE, []).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "pairs",
    [
        Pairs("w", (), (), ()),
        Pairs("w", (0.0,), (1.0,), ((1.0, 1.0),)),
        Pairs("w", (1.0,), (1.0,), ()),
        Pairs("w", (1.0, 2.0), (1.0,), ((1.0, 1.0),)),
    ],
)
def test_a_measurement_without_pairs_of_positive_times_is_an_error(pairs: Pairs) -> None:
    with pytest.raises(ValueError):
        summarise(pairs)


ratios = st.floats(0.01, 100)
figures = st.builds(Figures, st.sampled_from("abc"), ratios, ratios, st.floats(0.9, 1.1), st.floats(-1, 1))


@settings(max_examples=300)
@given(st.lists(figures, min_size=1, max_size=5), st.floats(1.0, 3.0))
def test_faster_figures_never_make_a_decision_worse(measured: list[Figures], by: float) -> None:
    order = [Outcome.REJECTED, Outcome.INCONCLUSIVE, Outcome.PASSED]
    faster = [Figures(one.name, one.median * by, one.p10 * by, one.control, one.saved) for one in measured]
    before, after = decide(GATE, measured).outcome, decide(GATE, faster).outcome
    assert order.index(after) >= order.index(before)


@settings(max_examples=300)
@given(st.lists(figures, min_size=1, max_size=5))
def test_what_passes_is_slower_nowhere_and_faster_somewhere(measured: list[Figures]) -> None:
    passes = decide(GATE, measured).outcome is Outcome.PASSED
    assert passes == (
        all(abs(one.control - 1) <= CONTROL_TOLERANCE and one.median >= 0.97 for one in measured)
        and any(one.p10 >= 1.10 for one in measured)
    )


def test_what_may_be_applied_by_itself_passes_no_looser_gate() -> None:
    for rule in LOADED:
        benchmark = rule.document.benchmark
        assert benchmark is not None
        assert benchmark.gate.best >= GATE.best
        if rule.id.startswith("OPT1"):
            assert benchmark.gate == GATE
