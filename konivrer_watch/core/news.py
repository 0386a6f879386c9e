"""What is new between two verdicts on one file. A finding that only moved is no news."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from konivrer_watch.core.model import Finding


class News(msgspec.Struct, frozen=True):
    """Findings that the later verdict has and the earlier lacks, and the reverse, in order of place."""

    appeared: tuple[Finding, ...]
    gone: tuple[Finding, ...]


def compare(earlier: Iterable[Finding], later: Iterable[Finding]) -> News:
    """Match findings of equal pass, code, name and message, those in the same place first, and return the rest."""
    before, after = _by_kind(earlier), _by_kind(later)
    appeared: list[Finding] = []
    gone: list[Finding] = []
    for kind in before.keys() | after.keys():
        old = _elsewhere(before.get(kind, []), after.get(kind, []))
        new = _elsewhere(after.get(kind, []), before.get(kind, []))
        # In order of place the first of one kind is taken for the first of the other: what is left over is news.
        appeared += new[len(old) :]
        gone += old[len(new) :]
    return News(tuple(_sorted(appeared)), tuple(_sorted(gone)))


def _elsewhere(findings: list[Finding], others: list[Finding]) -> list[Finding]:
    """Return the findings without one for each of ``others`` in the same place."""
    places = Counter([(finding.line, finding.column) for finding in others])
    left: list[Finding] = []
    for finding in findings:
        place = finding.line, finding.column
        if places[place]:
            places[place] -= 1
        else:
            left.append(finding)
    return left


def _by_kind(findings: Iterable[Finding]) -> dict[tuple[str, ...], list[Finding]]:
    kinds: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in _sorted(findings):
        kinds[finding.pass_, finding.code, finding.name, finding.message].append(finding)
    return kinds


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.order, finding.name))
