"""From the status to the reports that programs and people read."""

import os
from collections import defaultdict
from collections.abc import Iterable

from konivrer_watch.core.model import Pass, Problem, ProblemKind, Skip
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.hints import blamed
from konivrer_watch.report.text import path_text
from konivrer_watch.report.verdicts import FileCounts, Report, Timing

_UNSEEN = frozenset({ProblemKind.TOO_LARGE, ProblemKind.UNREADABLE})

_Trouble = tuple[bytes, Pass | None, Problem]


def describe(root: bytes, status: Status, *, ran: int, cached: int, timing: Timing) -> Report:
    """Return the verdict over the whole tree.

    ``ran`` and ``cached`` count the files for which an engine ran, and those the store answered. A file that was
    not looked at is one of the ``skipped`` too.
    """
    unseen = {skip.path: skip for skip in status.skipped}
    unseen |= {
        path: Skip(path, problem.message) for path, _, problem in status.problems if problem.kind in _UNSEEN
    }
    return Report(
        root=path_text(root),
        complete=status.complete,
        as_of=status.as_of or "",
        files=FileCounts(ran, cached, len(unseen), status.quarantined),
        findings=list(status.findings),
        suppressed=status.suppressed(),
        skipped=sorted(unseen.values(), key=lambda skip: skip.path),
        problems=told_once(root, status.problems),
        timing_ms=timing,
    )


def told_once(root: bytes, problems: Iterable[_Trouble]) -> list[_Trouble]:
    """Return every problem once, in order, however many verdicts it spoils.

    A file that was not looked at has one problem, not one of each pass. A configuration that an engine refuses is one
    problem of that configuration, not one of each file it holds for.
    """
    told: set[_Trouble] = set()
    refused: defaultdict[tuple[Pass | None, str], list[_Trouble]] = defaultdict(list)
    for path, pass_, problem in problems:
        if problem.kind is ProblemKind.CONFIGURATION:
            refused[pass_, problem.message].append((path, pass_, problem))
        else:
            told.add((path, None if problem.kind in _UNSEEN else pass_, problem))
    for (pass_, message), each in refused.items():
        paths = {path for path, _, _ in each}
        # Where the message does not say which file it means, a problem of one file stays with it.
        path = blamed(root, message) or (paths.pop() if len(paths) == 1 else b"")
        told.add((path, pass_, each[0][2]))
    return sorted(told, key=lambda one: (one[0], one[1] or "", one[2].message, os.fsencode(one[2].hint)))
