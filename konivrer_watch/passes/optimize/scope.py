"""Who binds and who reads a name in one file, found on first use and only where the name is spelled."""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import msgspec

from konivrer_watch.passes.optimize.nodes import Trail, around, next_lines, trails
from konivrer_watch.passes.optimize.source import Source

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# An import of everything; a text that only looks like one costs a rewrite at most.
_STAR = re.compile(r"import(?:[ \t\f]|\\(?:\r\n|\r|\n))*\*")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_TYPE_PARAMETERS = frozenset({"TypeVar", "ParamSpec", "TypeVarTuple"})
_MENTIONING: frozenset[type[ast.AST]] = frozenset(
    {ast.Name, ast.arg, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.alias, ast.Global, ast.Nonlocal,
     ast.MatchMapping, ast.ExceptHandler, ast.MatchAs, ast.MatchStar}
    | {kind for name, kind in vars(ast).items() if name in _TYPE_PARAMETERS}
)  # fmt: skip


class Mention(msgspec.Struct, frozen=True):
    """One place that reads a name or binds it. ``function`` is the innermost one whose body it lies in."""

    trail: Trail
    reads: bool
    function: Function | None

    @property
    def node(self) -> ast.AST:
        """The node that spells the name."""
        return self.trail[0]


class File:
    """One file's text and tree, and what they say of names."""

    def __init__(self, source: Source, tree: ast.Module) -> None:
        self.source = source
        self.tree = tree
        self._mentions: dict[tuple[str, int], tuple[Mention, ...]] = {}

    def leaves_builtin(self, name: str) -> bool:
        """Tell whether the name still means the builtin everywhere in the file."""
        return not self._imports_star and all(mention.reads for mention in self.mentions(name))

    def mentions(self, name: str, within: Trail | None = None) -> tuple[Mention, ...]:
        """Return every place that reads or binds the name, in any scope: in the file, or in a function of it."""
        start = within or (self.tree, None)
        key = (name, id(start[0]))
        known = self._mentions.get(key)
        if known is None:
            node = start[0]
            lines = (node.lineno, node.end_lineno) if isinstance(node, Function) else (1, None)
            found = [
                (trail, reads)
                for trail in trails(start, self.lines_near([name], *lines), _MENTIONING)
                if (reads := _reads(trail[0], name)) is not None
            ]
            known = tuple([Mention(trail, reads, function_of(trail)) for trail, reads in found])
            self._mentions[key] = known
        return known

    def lines_near(self, words: Collection[str], first: int = 1, last: int | None = None) -> Sequence[int]:
        """Return the table of lines, from ``first`` to ``last``, on which a tree may spell one of these words.

        Python reads some letters beyond ASCII as others (PEP 3131), so that lines which hold any count too.
        """
        lines = set(self._beyond_ascii)
        for word in words:
            if word.isascii():
                lines.update(self.source.lines_with(word, first, last))
        return next_lines(lines, self._last_line)

    @cached_property
    def _last_line(self) -> int:
        ends = [node.end_lineno or 0 for node in self.tree.body[-1:]]
        return max([self.source.line_count, *ends])

    @cached_property
    def _beyond_ascii(self) -> frozenset[int]:
        if self.source.is_ascii:
            return frozenset()
        return frozenset(
            [number for number, line in enumerate(self.source.lines, 1) if _NOT_ASCII.search(line)]
        )

    @cached_property
    def _imports_star(self) -> bool:
        return _STAR.search(self.source.text) is not None


def scope_of(trail: Trail) -> Trail | None:
    """Return the trail to the function in whose body a trail ends, with no other function or class between."""
    step = trail
    while (outer := step[1]) is not None:
        node = outer[0]
        if isinstance(node, _SCOPES) and any(step[0] is statement for statement in node.body):
            return None if isinstance(node, ast.ClassDef) else outer
        step = outer
    return None


def function_of(trail: Trail) -> Function | None:
    """Return the function that ``scope_of`` leads to."""
    scope = scope_of(trail)
    return scope[0] if scope is not None and isinstance(scope[0], Function) else None


def lies_in(trail: Trail, wanted: ast.AST) -> bool:
    """Tell whether a trail ends in this node or below it."""
    return trail[0] is wanted or any(node is wanted for node in around(trail))


def _reads(node: ast.AST, name: str) -> bool | None:
    """Tell whether a node reads the name; ``None`` where it does not mention it."""
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Load) if node.id == name else None
    return False if name in _bound_by(node) else None


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif isinstance(node, ast.MatchMapping):
        if node.rest is not None:
            yield node.rest
    else:
        yield str(getattr(node, "name", None) or "")
