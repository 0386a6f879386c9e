"""One walk of a file for all rules, and each node only to the rules that it may be a match of at a glance."""

import ast
from collections.abc import Iterator, Sequence

from konivrer_watch.passes.optimize.matchers import Captures
from konivrer_watch.passes.optimize.nodes import Trail, around, is_string_of_code, walk
from konivrer_watch.passes.optimize.pattern import Pattern, key_of
from konivrer_watch.passes.optimize.places import Found
from konivrer_watch.passes.optimize.rule import Rule
from konivrer_watch.passes.optimize.scope import File
from konivrer_watch.passes.optimize.source import Source
from konivrer_watch.passes.optimize.writer import Hit

_BLOCKS = ("body", "orelse", "finalbody")

_Entry = tuple[Rule, Pattern]


class Finder:
    """A fixed set of rules, ordered by what a match of them looks like."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_kind: dict[type[ast.AST], dict[str | None, list[_Entry]]] = {}
        for rule in rules:
            for pattern in rule.patterns:
                keys = self._by_kind.setdefault(pattern.kind, {})
                keys.setdefault(pattern.key, []).append((rule, pattern))

    def find(self, file: File) -> Iterator[Hit]:
        """Yield every match, in no order."""
        if not self._by_kind:
            return
        for trail in walk((file.tree, None), self._by_kind):
            node = trail[0]
            keys = self._by_kind[type(node)]
            key = key_of(node)
            entries = keys.get(key, ())
            if key is not None and None in keys:
                entries = [*entries, *keys[None]]
            for rule, pattern in entries:
                found = _match(file, trail, pattern)
                if found is not None and all(check(found) for check in rule.checks):
                    yield _hit(file.source, rule, found)


def _match(file: File, trail: Trail, pattern: Pattern) -> Found | None:
    captures: Captures | None
    if not pattern.is_statement:
        captures = pattern.match([trail[0]])
        return None if captures is None else Found(file, trail, (trail[0],), captures)
    parts = _neighbours(file, trail, pattern.head, len(pattern.matchers))
    captures = None if parts is None else pattern.match(parts)
    return None if parts is None or captures is None else Found(file, trail, tuple(parts), captures)


def _neighbours(file: File, trail: Trail, before: int, count: int) -> list[ast.AST] | None:
    """Return so many statements of one block, of which the trail's own has ``before`` others ahead of it."""
    if count == 1:
        return [trail[0]]
    parent = next(around(trail), None)
    for name in _BLOCKS:
        block = getattr(parent, name, None)
        if isinstance(block, list) and (index := file.index_in(block, trail[0])) is not None:
            start = index - before
            return block[start : start + count] if start >= 0 and start + count <= len(block) else None
    return None


def _hit(source: Source, rule: Rule, found: Found) -> Hit:
    fstring: ast.AST | None = None
    for node in (found.trail[0], *around(found.trail)):
        if is_string_of_code(node):
            fstring = node
    first, last = (found.parts[0], found.parts[-1]) if fstring is None else (fstring, fstring)
    # Only expressions and statements match.
    start = source.span(first)[0] if isinstance(first, ast.expr | ast.stmt) else 0
    end = source.span(last)[1] if isinstance(last, ast.expr | ast.stmt) else 0
    return Hit(rule, found, start, end, fstring is not None)
