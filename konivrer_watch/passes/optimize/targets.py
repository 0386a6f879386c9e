"""Which Pythons code is for, at x.y: what ``requires-python`` allows (PEP 440), or the one that runs."""

import re
from collections.abc import Iterable

_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?[\w.+]*\s*")
_NEWEST_MINOR = 40


def targets_for(requires: str | None, measured: Iterable[str], running: str) -> tuple[str, ...]:
    """Return each x.y with evidence that ``requires-python`` allows; ``running`` where it says nothing that is read.

    Where it allows only Pythons that nothing was measured on, the oldest of them is the target, which demotes rules.
    """
    clauses = _read(requires)
    if clauses is None:
        return (running,)
    known = sorted({_pair(python) for python in measured})
    allowed = [pair for pair in known if _allows(clauses, pair)]
    if not allowed:
        later = [(3, minor) for minor in range(_NEWEST_MINOR)]
        allowed = [pair for pair in later if _allows(clauses, pair)][:1]
    return tuple([f"{major}.{minor}" for major, minor in allowed]) or (running,)


def _read(requires: str | None) -> list[tuple[str, tuple[int, ...], bool]] | None:
    clauses: list[tuple[str, tuple[int, ...], bool]] = []
    for part in (requires or "").split(","):
        found = _CLAUSE.fullmatch(part)
        if found is None:
            return None
        clauses.append((found[1], tuple(map(int, found[2].split("."))), found[3] is not None))
    return clauses


def _pair(python: str) -> tuple[int, int]:
    major, minor = python.split(".")[:2]
    return int(major), int(minor)


def _allows(clauses: list[tuple[str, tuple[int, ...], bool]], pair: tuple[int, int]) -> bool:
    return all(_allowed(operator, release, is_prefix, pair) for operator, release, is_prefix in clauses)


def _allowed(operator: str, release: tuple[int, ...], is_prefix: bool, pair: tuple[int, int]) -> bool:
    """Tell whether some release of x.y passes one clause."""
    wanted = (*release, 0)[:2]
    if operator in {"==", "==="}:
        return pair[: len(release)] == release[:2] if is_prefix or len(release) > 1 else pair == wanted
    if operator == "!=":
        return not (is_prefix and pair[: len(release)] == release)
    if operator == "~=":
        return pair >= wanted and pair[: max(len(release) - 1, 1)] == release[:2][: max(len(release) - 1, 1)]
    if operator == "<":
        return pair < wanted or (pair == wanted and any(release[2:]))
    return pair <= wanted if operator == "<=" else pair >= wanted
