"""The benchmark's gate: paired CPU times in, a decision with its figures out. It measures nothing itself."""

from collections.abc import Sequence
from enum import StrEnum
from statistics import median

import msgspec

from konivrer_watch.passes.optimize.document import Gate

# How far the ratio of a program to itself may lie from 1 before a measurement counts as noise.
CONTROL_TOLERANCE = 0.05


class Pairs(msgspec.Struct, frozen=True):
    """One workload's measurement: CPU seconds of one run, before and after taken in turn.

    ``control`` holds as many pairs of the program before against itself.
    """

    name: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    control: tuple[tuple[float, float], ...]


class Figures(msgspec.Struct, frozen=True):
    """One workload's result. Ratios above 1 are faster; ``saved`` is in seconds of CPU time per run."""

    name: str
    median: float
    p10: float
    control: float
    saved: float


class Outcome(StrEnum):
    """What the gate says: faster, not faster, or nothing that could be told."""

    PASSED = "passed"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


class Decision(msgspec.Struct, frozen=True):
    """The gate's word on all workloads, and why."""

    outcome: Outcome
    reason: str
    figures: tuple[Figures, ...]


def summarise(pairs: Pairs) -> Figures:
    """Reduce one workload's pairs to figures; ``ValueError`` where there are none, or some are not positive."""
    ratios = sorted(_ratios(list(zip(pairs.before, pairs.after, strict=True))))
    control = median(_ratios(pairs.control))
    saved = median([before - after for before, after in zip(pairs.before, pairs.after, strict=True)])
    return Figures(pairs.name, median(ratios), ratios[len(ratios) // 10], control, saved)


def decide(gate: Gate, figures: Sequence[Figures]) -> Decision:
    """Judge by the worst workload's median and the best workload's 10th percentile.

    What is slower than the gate on any workload is rejected; what reaches it on all, but is nowhere clearly faster, is
    inconclusive, and so is a measurement whose control strays.
    """
    if not figures:
        return Decision(Outcome.INCONCLUSIVE, "nothing was measured", ())
    told = tuple(figures)
    astray = max(told, key=lambda figure: abs(figure.control - 1))
    if abs(astray.control - 1) > CONTROL_TOLERANCE:
        reason = f"{astray.name}: the control run strays to {astray.control:.2f}\u00d7"
        return Decision(Outcome.INCONCLUSIVE, reason, told)
    worst = min(told, key=lambda figure: figure.median)
    best = max(told, key=lambda figure: figure.p10)
    if worst.median < gate.worst:
        reason = f"{worst.name}: {worst.median:.2f}\u00d7 is below {gate.worst:.2f}\u00d7"
        return Decision(Outcome.REJECTED, reason, told)
    if best.p10 < gate.best:
        reason = f"{best.name}: {best.p10:.2f}\u00d7 in nine of ten runs is below {gate.best:.2f}\u00d7"
        return Decision(Outcome.INCONCLUSIVE, reason, told)
    return Decision(Outcome.PASSED, f"{worst.median:.2f}\u00d7 to {best.median:.2f}\u00d7", told)


def _ratios(pairs: Sequence[tuple[float, float]]) -> list[float]:
    if not pairs or any(one <= 0 or other <= 0 for one, other in pairs):
        raise ValueError("a measurement needs pairs of positive times")
    return [one / other for one, other in pairs]
