"""What ``watch`` says as things happen: plain lines for people, JSON lines for programs."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

import msgspec
from msgspec import UnsetType

from konivrer_watch.core.model import ChangeKind, Finding, Level, Pass, Problem
from konivrer_watch.report.json import (
    FindingJson,
    ProblemJson,
    encode,
    findings_json,
    path_b64,
    problem_json,
)
from konivrer_watch.report.text import count, duration, escape, finding_text, paint, path_text, problem_lines
from konivrer_watch.report.verdicts import in_order

MANY = 20
"""A batch of more files than this is summarised."""

_FINDINGS_SHOWN = 10
_WORST_FIRST = tuple(Level)


class ChangeLine(msgspec.Struct, frozen=True):
    """A path was seen to differ. ``at`` is an ISO time in UTC, here and in every event."""

    at: str
    path: bytes
    kind: ChangeKind


class VerdictLine(msgspec.Struct, frozen=True):
    """A path was judged: all that stands now, what is new and what went. No passes: the file is gone."""

    at: str
    path: bytes
    passes: Sequence[Pass]
    complete: bool
    findings: Sequence[Finding]
    appeared: Sequence[Finding]
    gone: Sequence[Finding]
    trigger: str
    latency_ms: int
    problems: Sequence[tuple[Pass | None, Problem]] = ()


class StateLine(msgspec.Struct, frozen=True):
    """The watcher's state changed; ``state`` is one of the words of ``status``."""

    at: str
    state: str
    reason: str | None = None


class PullLine(msgspec.Struct, frozen=True):
    """The pull at start ended: ``updated``, ``current``, ``skipped``, ``failed`` or ``off``."""

    at: str
    result: str
    reason: str | None = None


class HealLine(msgspec.Struct, frozen=True):
    """A heal ended: how much was wrong, how much of it is mended."""

    at: str
    found: int
    mended: int


Event = ChangeLine | VerdictLine | StateLine | PullLine | HealLine


class _ChangeJson(msgspec.Struct, frozen=True, tag_field="event", tag="change"):
    at: str
    path: str
    path_b64: str | UnsetType
    kind: ChangeKind


class _VerdictJson(msgspec.Struct, frozen=True, tag_field="event", tag="verdict"):
    at: str
    path: str
    path_b64: str | UnsetType
    passes: Sequence[Pass]
    complete: bool
    findings: list[FindingJson]
    appeared: list[FindingJson]
    gone: list[FindingJson]
    trigger: str
    latency_ms: int
    problems: list[ProblemJson]


class _StateJson(msgspec.Struct, frozen=True, tag_field="event", tag="state"):
    at: str
    state: str
    reason: str | None


class _PullJson(msgspec.Struct, frozen=True, tag_field="event", tag="pull"):
    at: str
    result: str
    reason: str | None


class _HealJson(msgspec.Struct, frozen=True, tag_field="event", tag="heal"):
    at: str
    found: int
    mended: int


def event_json(event: Event) -> bytes:
    """One event as one JSON object in one line, without a line end."""
    match event:
        case ChangeLine():
            path = event.path
            return encode(_ChangeJson(event.at, path_text(path), path_b64(path), event.kind))
        case VerdictLine():
            return encode(_verdict_json(event))
        case StateLine():
            return encode(_StateJson(event.at, event.state, event.reason))
        case PullLine():
            return encode(_PullJson(event.at, event.result, event.reason))
        case HealLine():
            return encode(_HealJson(event.at, event.found, event.mended))


def event_text(event: Event, *, color: bool, zone: tzinfo = UTC) -> str:
    """One event as a plain line, a verdict with indented lines below; the clock shows ``zone``'s time."""
    clock = _clock(event.at, zone)
    match event:
        case ChangeLine():
            return f"{clock}  {escape(path_text(event.path))}  {event.kind}"
        case VerdictLine():
            return "\n".join(_verdict_lines(event, clock, color=color))
        case StateLine():
            return f"{clock}  {_with_reason(event.state, event.reason)}"
        case PullLine():
            return f"{clock}  {_with_reason(f'pull: {event.result}', event.reason)}"
        case HealLine():
            return f"{clock}  heal: {event.found:,} found, {event.mended:,} mended"


def verdicts_text(verdicts: Sequence[VerdictLine], *, color: bool, zone: tzinfo = UTC) -> str:
    """Verdicts that came together: each by itself, or counts and the worst ten new findings if many.

    Problems are shown either way. No verdicts give no text.
    """
    if len(verdicts) <= MANY:
        return "\n".join(event_text(verdict, color=color, zone=zone) for verdict in verdicts)
    return "\n".join(_batch_lines(verdicts, _clock(verdicts[-1].at, zone), color=color))


def _verdict_json(verdict: VerdictLine) -> _VerdictJson:
    path = verdict.path
    findings, appeared, gone = (
        findings_json((path, finding) for finding in some)
        for some in (verdict.findings, verdict.appeared, verdict.gone)
    )
    return _VerdictJson(
        at=verdict.at,
        path=path_text(path),
        path_b64=path_b64(path),
        passes=verdict.passes,
        complete=verdict.complete,
        findings=findings,
        appeared=appeared,
        gone=gone,
        trigger=verdict.trigger,
        latency_ms=verdict.latency_ms,
        problems=[problem_json(path, pass_, problem) for pass_, problem in verdict.problems],
    )


def _verdict_lines(verdict: VerdictLine, clock: str, *, color: bool) -> Iterator[str]:
    asked = " ".join(verdict.passes) or "removed"
    name = paint(escape(path_text(verdict.path)), "1", color=color)
    yield f"{clock}  {name}  {_outcome(verdict, color=color)}  ({asked}, {duration(verdict.latency_ms)})"
    for sign, findings in (("+", verdict.appeared), ("-", verdict.gone)):
        for finding in sorted(findings, key=lambda one: one.order):
            yield f"  {sign} {finding_text(finding, color=color)}"
    for pass_, problem in verdict.problems:
        yield from (f"  {line}" for line in problem_lines((), pass_, problem, color=color))


def _outcome(verdict: VerdictLine, *, color: bool) -> str:
    parts = [] if verdict.complete else [paint("INCOMPLETE", "31", color=color)]
    if verdict.appeared:
        parts.append(f"{len(verdict.appeared):,} new")
    if verdict.gone:
        parts.append(f"{len(verdict.gone):,} gone")
    if not verdict.appeared and not verdict.gone and verdict.findings:
        parts.append(f"{count(len(verdict.findings), 'finding')} as before")
    return ", ".join(parts) or "clean"


def _batch_lines(verdicts: Sequence[VerdictLine], clock: str, *, color: bool) -> Iterator[str]:
    appeared = in_order((verdict.path, finding) for verdict in verdicts for finding in verdict.appeared)
    appeared.sort(key=lambda pair: _WORST_FIRST.index(pair[1].level))
    gone = sum(len(verdict.gone) for verdict in verdicts)
    incomplete = sum(not verdict.complete for verdict in verdicts)
    state = paint(f", {incomplete:,} INCOMPLETE", "31", color=color) if incomplete else ""
    slowest = duration(max(verdict.latency_ms for verdict in verdicts))
    yield f"{clock}  {len(verdicts):,} files{state}  {len(appeared):,} new, {gone:,} gone  ({slowest})"
    for path, finding in appeared[:_FINDINGS_SHOWN]:
        yield f"  + {escape(path_text(path))}:{finding_text(finding, color=color)}"
    if len(appeared) > _FINDINGS_SHOWN:
        yield f"  and {len(appeared) - _FINDINGS_SHOWN:,} more new"
    paths: dict[tuple[Pass | None, Problem], list[bytes]] = {}
    for verdict in verdicts:
        for what in verdict.problems:
            paths.setdefault(what, []).append(verdict.path)
    for (pass_, problem), where in paths.items():
        yield from (f"  {line}" for line in problem_lines(where, pass_, problem, color=color))


def _clock(at: str, zone: tzinfo) -> str:
    return datetime.fromisoformat(at).astimezone(zone).strftime("%H:%M:%S")


def _with_reason(what: str, reason: str | None) -> str:
    return f"{escape(what)}: {escape(reason)}" if reason else escape(what)
