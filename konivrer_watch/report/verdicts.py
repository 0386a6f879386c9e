"""The verdict over a whole tree as one value, and the exit code it stands for."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from konivrer_watch.core.model import Finding, Level, Pass, Problem, Skip
from konivrer_watch.core.settings import FailOn

_SEVERITY = {Level.ERROR: 3, Level.WARNING: 2, Level.NOTE: 1}
_BAR: Mapping[FailOn, int] = {"error": 3, "warning": 2, "note": 1, "never": 4}


class FileCounts(msgspec.Struct, frozen=True):
    """Files for which an engine ran, that the store answered, that were passed over, that harm engines."""

    checked: int = 0
    cached: int = 0
    skipped: int = 0
    quarantined: int = 0


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds on the wall; the passes overlap, so the parts need not add up to the total."""

    total: int = 0
    scan: int = 0
    lint: int = 0
    optimize: int = 0
    security: int = 0


class Report(msgspec.Struct, frozen=True):
    """What ``check`` answers. ``as_of`` is an ISO time in UTC: what was written before it is in the answer.

    A problem's path is ``b""`` where it concerns no file, its pass ``None`` where it concerns all of them.
    Passes missing from ``suppressed`` silenced nothing.
    """

    root: str
    complete: bool
    as_of: str
    files: FileCounts = FileCounts()
    findings: Sequence[tuple[bytes, Finding]] = ()
    suppressed: Mapping[Pass, int] = msgspec.field(default_factory=dict)
    skipped: Sequence[Skip] = ()
    problems: Sequence[tuple[bytes, Pass | None, Problem]] = ()
    timing_ms: Timing = Timing()


def in_order(findings: Iterable[tuple[bytes, Finding]]) -> list[tuple[bytes, Finding]]:
    """Sort by path, line, column, pass, code, message and end: equal verdicts come out as equal text."""

    def key(pair: tuple[bytes, Finding]) -> tuple[object, ...]:
        path, finding = pair
        return (path, finding.order, finding.end_line, finding.end_column, finding.cell or 0)

    return sorted(findings, key=key)


def worst_first(findings: Iterable[tuple[bytes, Finding]]) -> list[tuple[bytes, Finding]]:
    """Sort by level, worst first, and then as ``in_order`` does."""
    return sorted(in_order(findings), key=lambda pair: -_SEVERITY[pair[1].level])


def level_counts(findings: Iterable[Finding]) -> dict[Level, int]:
    """How many findings there are of each level, worst first; absent levels count 0."""
    counts = dict.fromkeys(Level, 0)
    for finding in findings:
        counts[finding.level] += 1
    return counts


def exit_code(report: Report, fail_on: FailOn) -> int:
    """1 with a finding at or above ``fail_on``, else 3 if the verdict is incomplete, else 0."""
    bar = _BAR[fail_on]
    if any(_SEVERITY[finding.level] >= bar for _, finding in report.findings):
        return 1
    return 0 if report.complete else 3
