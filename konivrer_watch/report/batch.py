"""Verdicts that came together: each by itself where they are few, one summary where they are many."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, tzinfo

import msgspec

from konivrer_watch.core.model import Finding, Pass, Problem
from konivrer_watch.report.events import VerdictLine, clock_text, event_text
from konivrer_watch.report.text import count, duration, escape, finding_text, paint, path_text
from konivrer_watch.report.troubles import Told, Trouble, gathered, trouble_lines
from konivrer_watch.report.verdicts import in_order, worst_first

_NEW_SHOWN = 10
_GONE_SHOWN = 3


def verdicts_text(
    verdicts: Sequence[VerdictLine], troubles: Iterable[Told], *, color: bool, zone: tzinfo | None = UTC
) -> str:
    """Each verdict by itself, what is wrong with it below; what is wrong with several stands once, at the end.

    ``troubles`` are shown in the place of the verdicts' own problems. No verdicts give no text.
    """
    own: dict[bytes, list[tuple[Pass | None, Problem]]] = {verdict.path: [] for verdict in verdicts}
    shared: list[Trouble] = []
    for trouble in gathered(troubles):
        if len(trouble.paths) == 1 and trouble.paths[0] in own:
            own[trouble.paths[0]] += [(pass_, trouble.problem) for pass_ in trouble.passes or (None,)]
        else:
            shared.append(trouble)
    lines = [
        event_text(msgspec.structs.replace(verdict, problems=own[verdict.path]), color=color, zone=zone)
        for verdict in verdicts
    ]
    return "\n".join([*lines, *trouble_lines(shared, indent="  ", color=color)])


def occasion_text(
    why: str,
    verdicts: Sequence[VerdictLine],
    troubles: Iterable[Told],
    *,
    color: bool,
    zone: tzinfo | None = UTC,
) -> str:
    """What came of ``why``: counts, the worst ten new findings or else three that went, and what is wrong.

    There is at least one verdict; the time that is shown is the longest of theirs.
    """
    appeared = worst_first((verdict.path, finding) for verdict in verdicts for finding in verdict.appeared)
    gone = in_order((verdict.path, finding) for verdict in verdicts for finding in verdict.gone)
    incomplete = sum(not verdict.complete for verdict in verdicts)
    state = paint(f"{incomplete:,} INCOMPLETE", "31", color=color) + ", " if incomplete else ""
    slowest = duration(max(verdict.latency_ms for verdict in verdicts))
    clock = clock_text(verdicts[-1].at, zone)
    lines = [
        f"{clock}{why}: {count(len(verdicts), 'file')}, {state}{len(appeared):,} new, {len(gone):,} gone ({slowest})",
        *_listed("+", appeared, _NEW_SHOWN, "new", color=color),
        *(_listed("-", gone, _GONE_SHOWN, "gone", color=color) if not appeared else ()),
        *trouble_lines(gathered(troubles), indent="  ", color=color),
    ]
    return "\n".join(lines)


def _listed(
    sign: str, findings: Sequence[tuple[bytes, Finding]], shown: int, word: str, *, color: bool
) -> Iterator[str]:
    for path, finding in findings[:shown]:
        yield f"  {sign} {escape(path_text(path))}:{finding_text(finding, color=color)}"
    if len(findings) > shown:
        yield f"  and {len(findings) - shown:,} more {word}"
