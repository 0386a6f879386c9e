"""What is new between two verdicts on one file. A finding that only moved is no news."""

from collections import defaultdict
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
        old, new = before.get(kind, []), after.get(kind, [])
        places = {(finding.line, finding.column) for finding in old} & {(f.line, f.column) for f in new}
        old = [finding for finding in old if (finding.line, finding.column) not in places]
        new = [finding for finding in new if (finding.line, finding.column) not in places]
        # In order of place the first of one kind is taken for the first of the other: what is left over is news.
        appeared += new[len(old) :]
        gone += old[len(new) :]
    return News(tuple(_sorted(appeared)), tuple(_sorted(gone)))


def _by_kind(findings: Iterable[Finding]) -> dict[tuple[str, ...], list[Finding]]:
    kinds: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in _sorted(findings):
        kinds[finding.pass_, finding.code, finding.name, finding.message].append(finding)
    return kinds


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: finding.order)
