"""From the status to the reports that programs and people read."""

from konivrer_watch.core.model import Pass, Problem, ProblemKind, Skip
from konivrer_watch.core.status import Status
from konivrer_watch.report.text import path_text
from konivrer_watch.report.verdicts import FileCounts, Report, Timing

_UNSEEN = frozenset({ProblemKind.TOO_LARGE, ProblemKind.UNREADABLE})


def describe(root: bytes, status: Status, *, ran: int, cached: int, timing: Timing) -> Report:
    """Return the verdict over the whole tree.

    ``ran`` and ``cached`` count the files for which an engine ran, and those the store answered. A file that was
    not looked at is one problem, not one of each pass, and one of the ``skipped``.
    """
    problems: dict[tuple[bytes, Pass | None, Problem], None] = {}
    unseen: dict[bytes, Skip] = {skip.path: skip for skip in status.skipped}
    for path, pass_, problem in status.problems:
        if problem.kind in _UNSEEN:
            problems[path, None, problem] = None
            unseen[path] = Skip(path, problem.message)
        else:
            problems[path, pass_, problem] = None
    return Report(
        root=path_text(root),
        complete=status.complete,
        as_of=status.as_of or "",
        files=FileCounts(ran, cached, len(unseen), status.quarantined),
        findings=list(status.findings),
        suppressed=status.suppressed(),
        skipped=sorted(unseen.values(), key=lambda skip: skip.path),
        problems=sorted(problems, key=lambda entry: (entry[0], entry[1] or "", entry[2].message)),
        timing_ms=timing,
    )
