"""JSON as other programs read it: one shape for a finding wherever it appears."""

import base64
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, UnsetType

from konivrer_watch.core.model import Finding, Fix, Level, Pass, Problem
from konivrer_watch.report.text import path_text
from konivrer_watch.report.verdicts import FileCounts, Report, Timing, in_order

_encoder = msgspec.json.Encoder()


class FindingJson(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with its path. ``path_b64`` is there only if the path is no valid UTF-8, the last
    three only where the pass gives them."""

    path: str
    path_b64: str | UnsetType = UNSET
    line: int
    column: int
    end_line: int
    end_column: int
    pass_: Pass = msgspec.field(name="pass")
    code: str
    name: str
    level: Level
    message: str
    url: str | None
    fix: Fix | None
    evidence: str | None
    severity: str | UnsetType = UNSET
    confidence: str | UnsetType = UNSET
    cell: int | UnsetType = UNSET


class ProblemJson(msgspec.Struct, frozen=True, kw_only=True):
    """A question without an answer. ``pass`` is null where the problem concerns every pass."""

    path: str
    path_b64: str | UnsetType = UNSET
    pass_: Pass | None = msgspec.field(name="pass")
    message: str
    hint: str


class _SkipJson(msgspec.Struct, frozen=True):
    path: str
    path_b64: str | UnsetType
    reason: str


class _ReportJson(msgspec.Struct, frozen=True):
    schema: int
    version: str
    root: str
    complete: bool
    as_of: str
    files: FileCounts
    findings: list[FindingJson]
    suppressed: dict[Pass, int]
    skipped: list[_SkipJson]
    problems: list[ProblemJson]
    timing_ms: Timing


def to_json(report: Report, version: str) -> bytes:
    """The verdict in schema 1; sorted, and without a line end behind."""
    skipped = sorted(report.skipped, key=lambda skip: (skip.path, skip.reason))
    problems = sorted(
        report.problems, key=lambda entry: (entry[0], entry[1] or "", entry[2].message, entry[2].hint)
    )
    return encode(
        _ReportJson(
            schema=1,
            version=version,
            root=report.root,
            complete=report.complete,
            as_of=report.as_of,
            files=report.files,
            findings=findings_json(report.findings),
            suppressed={one: report.suppressed.get(one, 0) for one in Pass},
            skipped=[_SkipJson(path_text(skip.path), path_b64(skip.path), skip.reason) for skip in skipped],
            problems=[problem_json(path, pass_, problem) for path, pass_, problem in problems],
            timing_ms=report.timing_ms,
        )
    )


def findings_json(findings: Iterable[tuple[bytes, Finding]]) -> list[FindingJson]:
    """Findings in their order, each in the shape that ``encode`` writes."""
    return [_finding_json(path, finding) for path, finding in in_order(findings)]


def problem_json(path: bytes, pass_: Pass | None, problem: Problem) -> ProblemJson:
    """One problem in the shape that ``encode`` writes."""
    return ProblemJson(
        path=path_text(path),
        path_b64=path_b64(path),
        pass_=pass_,
        message=problem.message,
        hint=problem.hint,
    )


def path_b64(path: bytes) -> str | UnsetType:
    """The path's very bytes in base64, or ``UNSET`` if its text alone gives them back."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return base64.b64encode(path).decode()
    return UNSET


def encode(value: object) -> bytes:
    """JSON in one line. Lone surrogates, which a message quoting source can hold, show as ``\\udXXX``."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_without_surrogates(msgspec.to_builtins(value)))


def _finding_json(path: bytes, finding: Finding) -> FindingJson:
    return FindingJson(
        path=path_text(path),
        path_b64=path_b64(path),
        line=finding.line,
        column=finding.column,
        end_line=finding.end_line,
        end_column=finding.end_column,
        pass_=finding.pass_,
        code=finding.code,
        name=finding.name,
        level=finding.level,
        message=finding.message,
        url=finding.url,
        fix=finding.fix,
        evidence=finding.evidence,
        severity=UNSET if finding.severity is None else finding.severity,
        confidence=UNSET if finding.confidence is None else finding.confidence,
        cell=UNSET if finding.cell is None else finding.cell,
    )


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
