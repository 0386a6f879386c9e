"""What a developer reads in a terminal: safe to print whatever a file's name or content holds."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from konivrer_watch.core.escape import escape as escape
from konivrer_watch.core.model import Finding, Level, Pass, Problem, Safety, Skip
from konivrer_watch.report.verdicts import Report, in_order, level_counts

_COLOUR = {Level.ERROR: "31", Level.WARNING: "33", Level.NOTE: "36"}
_PATHS_SHOWN = 10


def path_text(path: bytes) -> str:
    """A path as text, with ``\\xNN`` for what is not UTF-8. Not yet safe to print: see ``escape``."""
    return path.decode(errors="backslashreplace")


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``1,200 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: int) -> str:
    """Up to a second in milliseconds, longer in seconds."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def paint(text: str, code: str, *, color: bool) -> str:
    """Wrap text into an ANSI colour, if colours are wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if color else text


def finding_text(finding: Finding, *, color: bool) -> str:
    """``line:column: CODE [name] message [*]``; the star marks what is fixed automatically."""
    cell = "" if finding.cell is None else f"cell {finding.cell}:"
    code = paint(escape(finding.code), _COLOUR[finding.level], color=color)
    name = f" [{escape(finding.name)}]" if finding.name else ""
    mark = " " + paint("[*]", "32", color=color) if _is_automatic(finding) else ""
    return f"{cell}{finding.line}:{finding.column}: {code}{name} {escape(finding.message)}{mark}"


def problem_lines(
    paths: Sequence[bytes], passes: Sequence[Pass], problem: Problem, *, color: bool
) -> list[str]:
    """One problem of one or many files, and what to do about it; no ``passes``: it is one of all."""
    word = paint("problem", "31", color=color)
    asker = f" ({', '.join(passes)})" if passes else ""
    named = [escape(path_text(path)) for path in paths if path]
    subject = f" {named[0]}" if len(named) == 1 else f" {count(len(named), 'file')}" if named else ""
    lines = [f"{word}{subject}{asker}: {escape(problem.message)}"]
    if len(named) > 1:
        lines += [f"  {name}" for name in named[:_PATHS_SHOWN]]
    if len(named) > _PATHS_SHOWN:
        lines.append(f"  and {len(named) - _PATHS_SHOWN:,} more (--format json names all)")
    if problem.hint:
        lines.append(f"  hint: {escape(problem.hint)}")
    return lines


def to_text(report: Report, *, color: bool) -> str:
    """Findings by file, then what was not looked at and why, then one line of summary; no line end behind."""
    blocks = [*_finding_blocks(report, color=color), *_trouble_blocks(report, color=color)]
    return "\n\n".join(["\n".join(block) for block in blocks] + [_summary(report, color=color)])


def _finding_blocks(report: Report, *, color: bool) -> Iterator[list[str]]:
    for path, findings in groupby(in_order(report.findings), key=lambda pair: pair[0]):
        name = paint(escape(path_text(path)), "1", color=color)
        yield [f"{name}:{finding_text(finding, color=color)}" for _, finding in findings]


def _trouble_blocks(report: Report, *, color: bool) -> Iterator[list[str]]:
    if skipped := _only_skipped(report):
        yield [_skip_line(skip, color=color) for skip in skipped]
    paths: dict[tuple[Pass | None, Problem], list[bytes]] = {}
    for path, pass_, problem in sorted(report.problems, key=lambda entry: (entry[0], entry[1] or "")):
        paths.setdefault((pass_, problem), []).append(path)
    if paths:
        grouped = (
            problem_lines(where, [pass_] if pass_ else [], problem, color=color)
            for (pass_, problem), where in paths.items()
        )
        yield [line for lines in grouped for line in lines]


def _only_skipped(report: Report) -> list[Skip]:
    """The skipped files of which no problem says the same with a hint."""
    told = {path for path, _, _ in report.problems}
    return sorted((skip for skip in report.skipped if skip.path not in told), key=lambda skip: skip.path)


def _skip_line(skip: Skip, *, color: bool) -> str:
    word = paint("skipped", "2" if skip.complete else "33", color=color)
    return f"{word} {escape(path_text(skip.path))}: {escape(skip.reason)}"


def _summary(report: Report, *, color: bool) -> str:
    levels = level_counts(finding for _, finding in report.findings)
    parts = [
        paint(count(number, level), _COLOUR[level], color=color) for level, number in levels.items() if number
    ]
    fixable = sum(_is_automatic(finding) for _, finding in report.findings)
    found = count(len(report.findings), "finding") if report.findings else "no findings"
    if parts:
        found += f" ({', '.join(parts)}{f'; {fixable:,} fixable [*]' if fixable else ''})"
    if suppressed := sum(report.suppressed.values()):
        found += f", {suppressed:,} suppressed"
    files = report.files
    counts = f"{count(files.checked, 'file')} checked, {files.cached:,} cached"
    counts += f", {files.skipped:,} skipped" if files.skipped else ""
    counts += f", {files.quarantined:,} quarantined" if files.quarantined else ""
    return f"{found}; {counts}; {duration(report.timing_ms.total)}; {_completeness(report, color=color)}"


def _completeness(report: Report, *, color: bool) -> str:
    if report.complete:
        return f"complete as of {escape(report.as_of)}"
    missing = sum(not skip.complete for skip in _only_skipped(report))
    reasons = [count(len(report.problems), "problem")] if report.problems else []
    reasons += [f"{count(missing, 'file')} skipped"] if missing else []
    why = " and ".join(reasons) or "the run did not reach every file"
    return f"{paint('INCOMPLETE', '31', color=color)} as of {escape(report.as_of)}: {why}"


def _is_automatic(finding: Finding) -> bool:
    return finding.fix is not None and finding.fix.safety is Safety.AUTO
