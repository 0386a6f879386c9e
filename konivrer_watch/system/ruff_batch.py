"""Lint jobs: which can share a run of ruff, and which part of its report answers which job."""

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import fsdecode
from pathlib import Path
from typing import Protocol

import msgspec

from konivrer_watch.core.model import Finding, Problem, ProblemKind
from konivrer_watch.system.ruff_process import printed

_FILES_AT_ONCE = 1000
_ARGUMENT_BYTES = 96 << 10

Report = Mapping[str, Sequence[Finding]]


class Profile(Protocol):
    """What ruff must be told of a file's configuration."""

    @property
    def digest(self) -> bytes:
        """Equal for files that are configured alike."""

    @property
    def own(self) -> bool:
        """Whether our pack holds, because the user has no configuration."""

    @property
    def target_version(self) -> str | None:
        """The Python version to name beside it, such as ``py311``."""

    @property
    def preview(self) -> bool:
        """Whether preview may be on."""

    @property
    def forced(self) -> bool:
        """Whether ``lint.exclude`` must be applied to named files."""


class LintJob(msgspec.Struct, frozen=True):
    """A file to judge: its path relative to the root, and whether it may hold comments that silence."""

    path: bytes
    profile: Profile
    has_noqa: bool


class Answer(msgspec.Struct, frozen=True):
    """What one run says of one file."""

    findings: tuple[Finding, ...] = ()
    problem: Problem | None = None


def batches(jobs: Sequence[LintJob]) -> Iterator[list[LintJob]]:
    """Yield jobs that one run can answer; names that ruff does not print as they are go alone."""
    groups: dict[tuple[bool, str | None, bool, bytes], list[LintJob]] = {}
    for job in sorted(jobs, key=lambda job: job.path):
        alone = b"" if printed(job.path) == job.path else job.path
        profile = job.profile
        groups.setdefault((profile.own, profile.target_version, profile.forced, alone), []).append(job)
    for group in groups.values():
        batch: list[LintJob] = []
        size = 0
        for job in group:
            size += len(job.path) + 1
            if batch and (size > _ARGUMENT_BYTES or len(batch) == _FILES_AT_ONCE):
                yield batch
                batch, size = [], len(job.path) + 1
            batch.append(job)
        yield batch


def company(root: bytes, job: LintJob) -> bytes | None:
    """Return a package's ``__init__.py`` that lies around this one's across a gap.

    In preview INP001 is found only if ruff judges a file of the package around in the same run.
    """
    folder, name = posixpath.split(job.path)
    if name != b"__init__.py" or not job.profile.preview:
        return None
    gap = False
    while folder:
        folder = posixpath.dirname(folder)
        around = posixpath.join(folder, name)
        present = Path(fsdecode(posixpath.join(root, around))).is_file()
        if gap and present:
            return around
        gap = gap or not present
    return None


def attribute(
    root: bytes, batch: Sequence[LintJob], report: Report, warnings: str
) -> Iterator[tuple[bytes, Answer]]:
    """Yield each job's path with its part of a report. ``warnings`` is ruff's standard error."""
    for job in batch:
        findings = tuple(report.get(printed(posixpath.join(root, job.path)).decode(), ()))
        yield job.path, Answer(findings, _problem(job, findings, warnings))


def _problem(job: LintJob, findings: Sequence[Finding], warnings: str) -> Problem | None:
    """Return why a file was not judged: ruff's E902, or its warning where E902 is not selected."""
    for finding in findings:
        if finding.code == "panic":
            hint = "the file is set aside until it changes; 'exclude' leaves it out for good"
            return Problem(ProblemKind.QUARANTINED, f"ruff failed on it: {finding.message}", hint)
    reason = next((finding.message for finding in findings if finding.code == "E902"), None)
    if reason is None and "Failed to lint " in warnings:
        _, told, rest = warnings.partition(f"Failed to lint {printed(job.path).decode()}: ")
        reason = rest.partition("\n")[0] if told else None
    if reason is None:
        return None
    if "UTF-8" in reason:
        hint = "ruff reads UTF-8 only: convert the file, or add it to 'exclude'"
        return Problem(ProblemKind.UNPARSABLE, f"ruff cannot read it: {reason}", hint)
    return Problem(ProblemKind.UNREADABLE, f"ruff cannot read it: {reason}", "make the file readable")


def silenced(answer: Answer, unsilenced: Answer | None) -> int:
    """Count what comments silence: what a run that ignores them finds beyond the plain one."""
    if unsilenced is None or unsilenced.problem is not None:
        return 0
    heard = Counter([_identity(finding) for finding in answer.findings])
    return sum((Counter([_identity(finding) for finding in unsilenced.findings]) - heard).values())


def uncounted(unsilenced: Answer | None) -> Problem | None:
    """Return why what comments silence is not counted this time, though it may be the next."""
    problem = None if unsilenced is None else unsilenced.problem
    return problem if problem is not None and problem.kind is ProblemKind.ENGINE else None


def _identity(finding: Finding) -> tuple[int | None, int, int, str]:
    return finding.cell, finding.line, finding.column, finding.code
