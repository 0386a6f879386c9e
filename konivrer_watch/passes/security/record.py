"""What bandit's tester says of one file, kept with the places it speaks of, and turned into a verdict."""

from collections.abc import Callable
from typing import Any

from konivrer_watch.core.model import Finding, Level, Pass, Problem, ProblemKind, Verdict
from konivrer_watch.passes.security.source import Source

_LEVELS = {"HIGH": Level.ERROR, "MEDIUM": Level.WARNING, "LOW": Level.NOTE}
_FAULT_HINT = (
    "A test of bandit's failed on this code; skip it in bandit's configuration, or exclude the file."
)


class _Results(list[Any]):
    """What a tester appends its issues to. Notes the node that its visitor is at, without a call between them."""

    def __init__(self, visitor: Any) -> None:
        super().__init__()
        self.nodes: list[Any] = []
        self._visitor = visitor

    def append(self, issue: Any) -> None:
        self.nodes.append(self._visitor.context.get("node"))
        super().append(issue)


class Record:
    """Listens to one tester. Also serves as bandit's metrics, of which only what was silenced matters."""

    def __init__(self) -> None:
        self.suppressed = 0
        self._results: _Results | None = None
        self._faults: list[str] = []

    def listen(self, visitor: Any) -> None:
        """Have the tester of a ``BanditNodeVisitor`` report issues and failed tests here.

        The visitor's ``context`` is to be the one that is tested.
        """
        self._results = visitor.tester.results = _Results(visitor)
        visitor.tester.report_error = self._fault

    @property
    def found(self) -> list[tuple[Any, Any]]:
        """The issues and the node of each, ``None`` for one of the whole file, in the order of the visit."""
        return [] if self._results is None else list(zip(self._results, self._results.nodes, strict=True))

    def note_nosec(self, num: int = 1) -> None:
        """Count a result that a bare ``# nosec`` silenced."""
        self.suppressed += num

    def note_skipped_test(self, num: int = 1) -> None:
        """Count a result that a ``# nosec`` naming its test silenced."""
        self.suppressed += num

    def _fault(self, test: str, context: Any, error: Exception) -> None:
        line = context._context.get("lineno", 0)
        self._faults.append(f"{test} in line {line}: {type(error).__name__}: {error}")

    def verdict(self, source: Source, url: Callable[[str], str]) -> Verdict:
        """Return what was found, in order, with columns in code points of ``source``."""
        findings = [_finding(issue, node, source, url(issue.test_id)) for issue, node in self.found]
        return Verdict(
            findings=tuple(sorted(findings, key=lambda finding: finding.order)),
            suppressed=self.suppressed,
            problem=self._problem(),
        )

    def _problem(self) -> Problem | None:
        if not self._faults:
            return None
        more = f", and {len(self._faults) - 1} more" if len(self._faults) > 1 else ""
        return Problem(ProblemKind.QUARANTINED, _text(f"bandit's {self._faults[0]}{more}"), _FAULT_HINT)


def _finding(issue: Any, node: Any, source: Source, url: str) -> Finding:
    """Translate one of bandit's issues.

    bandit takes the columns from the node, and the line from the node or from one of its arguments. A test
    of the whole file has no node; its column is bandit's, that is of the character after the one it means.
    """
    line, column = issue.lineno, issue.col_offset + 1
    end_line, end_column = line, column
    if node is not None:
        column = source.column(node.lineno, issue.col_offset)
        end_line = node.end_lineno
        end_column = source.column(end_line, issue.end_col_offset)
    return Finding(
        line=line,
        column=column,
        end_line=max(end_line, line),
        end_column=end_column if (end_line, end_column) >= (line, column) else column,
        pass_=Pass.SECURITY,
        code=issue.test_id,
        name=issue.test,
        level=_LEVELS.get(issue.severity, Level.NOTE),
        message=_text(issue.text),
        url=url,
        severity=issue.severity,
        confidence=issue.confidence,
    )


def _text(text: str) -> str:
    """Make text encodable: a string constant that bandit quotes may hold half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
