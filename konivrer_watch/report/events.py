"""What ``watch`` says as things happen: plain lines for people, JSON lines for programs."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

import msgspec
from msgspec import UnsetType

from konivrer_watch.core.model import ChangeKind, Finding, Pass, Problem
from konivrer_watch.report.json import (
    FindingJson,
    ProblemJson,
    encode,
    findings_json,
    path_b64,
    problem_json,
)
from konivrer_watch.report.text import count, duration, escape, finding_text, paint, path_text
from konivrer_watch.report.troubles import gathered, trouble_lines
from konivrer_watch.report.verdicts import worst_first

_FINDINGS_SHOWN = 20


class ChangeLine(msgspec.Struct, frozen=True):
    """A path was seen to differ. ``at`` is an ISO time in UTC, here and in every event."""

    at: str
    path: bytes
    kind: ChangeKind


class VerdictLine(msgspec.Struct, frozen=True):
    """A path was judged: all that stands now, what is new and what went.

    No passes: the file is gone (``trigger`` is ``removed``), or cannot be looked at any more (``skipped``).
    """

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


def event_text(event: Event, *, color: bool, zone: tzinfo | None = UTC) -> str:
    """One event as a plain line, a verdict with indented lines below; the clock shows ``zone``'s time.

    Without a zone it is for a log: that has a clock of its own, and each line of a verdict names its file, since logs
    are searched line by line.
    """
    clock = clock_text(event.at, zone)
    match event:
        case ChangeLine():
            return f"{clock}{escape(path_text(event.path))}  {event.kind}"
        case VerdictLine():
            return "\n".join(_verdict_lines(event, clock, names=zone is None, color=color))
        case StateLine():
            return clock + _with_reason(event.state, event.reason)
        case PullLine():
            return clock + _with_reason(f"pull: {event.result}", event.reason)
        case HealLine():
            return f"{clock}heal: {event.found:,} found, {event.mended:,} mended"


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


def _verdict_lines(verdict: VerdictLine, clock: str, *, names: bool, color: bool) -> Iterator[str]:
    asked = " ".join(verdict.passes) or verdict.trigger
    path = escape(path_text(verdict.path))
    place = f"{path}:" if names else ""
    took = f", {duration(verdict.latency_ms)}" if verdict.passes else ""
    yield f"{clock}{paint(path, '1', color=color)}  {_outcome(verdict, color=color)}  ({escape(asked)}{took})"
    for sign, word, findings in (("+", "new", verdict.appeared), ("-", "gone", verdict.gone)):
        shown = findings
        if len(findings) > _FINDINGS_SHOWN:
            shown = [one for _, one in worst_first((b"", one) for one in findings)][:_FINDINGS_SHOWN]
        for finding in sorted(shown, key=lambda one: one.order):
            yield f"  {sign} {place}{finding_text(finding, color=color)}"
        if len(findings) > len(shown):
            yield f"  {place}{' ' if names else ''}and {len(findings) - len(shown):,} more {word}"
    troubled = verdict.path if names else b""
    troubles = gathered((troubled, pass_, problem) for pass_, problem in verdict.problems)
    yield from trouble_lines(troubles, indent="  ", color=color)


def _outcome(verdict: VerdictLine, *, color: bool) -> str:
    parts = [] if verdict.complete else [paint("INCOMPLETE", "31", color=color)]
    if verdict.appeared:
        parts.append(f"{len(verdict.appeared):,} new")
    if verdict.gone:
        parts.append(f"{len(verdict.gone):,} gone")
    if not verdict.appeared and not verdict.gone and verdict.findings:
        parts.append(f"{count(len(verdict.findings), 'finding')} as before")
    return ", ".join(parts) or "clean"


def clock_text(at: str, zone: tzinfo | None) -> str:
    """How a line begins: with an ISO time as the clock of a zone shows it, or, without one, with nothing."""
    return "" if zone is None else datetime.fromisoformat(at).astimezone(zone).strftime("%H:%M:%S  ")


def _with_reason(what: str, reason: str | None) -> str:
    return f"{escape(what)}: {escape(reason)}" if reason else escape(what)
