"""What is wrong, each thing once, however many files and passes it spoils."""

from collections.abc import Iterable, Sequence

import msgspec

from konivrer_watch.core.model import Pass, Problem, ProblemKind
from konivrer_watch.report.text import count, problem_lines

_SHOWN = 10

Told = tuple[bytes, Pass | None, Problem]
"""A path, empty where it is of no one file; the pass, ``None`` where it is of all; and what is wrong."""


class Trouble(msgspec.Struct):
    """One problem of these files; of every pass where none is named."""

    problem: Problem
    paths: list[bytes]
    passes: list[Pass]


def gathered(problems: Iterable[Told]) -> list[Trouble]:
    """Return each problem once, in order: equal ones of many files, and one for bytes that are no Python.

    Of the latter each pass has its own words; the first one's are kept.
    """
    found: dict[object, Trouble] = {}
    for path, pass_, problem in problems:
        is_parsing = problem.kind is ProblemKind.UNPARSABLE
        key = (path, problem.kind) if is_parsing else (pass_, problem)
        trouble = found.setdefault(key, Trouble(problem, [], []))
        if path not in trouble.paths[-1:]:
            trouble.paths.append(path)
        if pass_ is not None and pass_ not in trouble.passes:
            trouble.passes.append(pass_)
    return list(found.values())


def trouble_lines(troubles: Sequence[Trouble], *, indent: str = "", color: bool) -> list[str]:
    """Ten problems, each with its files and a hint, and how many more there are."""
    lines: list[str] = []
    for trouble in troubles[:_SHOWN]:
        lines += problem_lines(trouble.paths, trouble.passes, trouble.problem, color=color)
    if len(troubles) > _SHOWN:
        lines.append(f"and {count(len(troubles) - _SHOWN, 'more problem')}")
    return [indent + line for line in lines]
