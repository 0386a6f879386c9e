"""Who binds and who reads a name in one file, found on first use and only where the name is spelled."""

import ast
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from konivrer_watch.passes.optimize.nodes import Near, Trail, around, near_lines, walk_near
from konivrer_watch.passes.optimize.source import Source

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# An import of everything; a text that only looks like one costs a rewrite at most.
_STAR = re.compile(r"import(?:[ \t\f]|\\(?:\r\n|\r|\n))*\*")
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
        self._bindings: dict[tuple[str, int], tuple[Mention, ...]] = {}
        self._facts: dict[tuple[object, ...], bool] = {}
        self._indices: dict[int, Mapping[int, int]] = {}

    def fact(self, key: tuple[object, ...], find: Callable[[], bool]) -> bool:
        """Return what ``find`` found for this key when it was first asked: thousands of matches may share a name."""
        known = self._facts.get(key)
        if known is None:
            known = self._facts[key] = find()
        return known

    def leaves_builtin(self, name: str) -> bool:
        """Tell whether the name still means the builtin everywhere in the file."""
        return not self._imports_star and self.fact(
            ("builtin", name), lambda: all(mention.reads for mention in self.mentions(name))
        )

    def index_in(self, block: Sequence[ast.AST], statement: ast.AST) -> int | None:
        """Return a statement's place in one of the tree's blocks."""
        known = self._indices.get(id(block))
        if known is None:
            known = self._indices[id(block)] = {id(part): index for index, part in enumerate(block)}
        return known.get(id(statement))

    def mentions(self, name: str, within: Trail | None = None) -> tuple[Mention, ...]:
        """Return every place that reads or binds the name, in any scope: in the file, or in a function of it."""
        start = within or (self.tree, None)
        key = (name, id(start[0]))
        known = self._mentions.get(key)
        if known is None:
            found = [
                (trail, reads)
                for trail in walk_near(start, self.near(name, *_lines_of(start[0])), _MENTIONING)
                if (reads := _reads(trail[0], name)) is not None
            ]
            known = tuple([Mention(trail, reads, function_of(trail)) for trail, reads in found])
            self._mentions[key] = known
        return known

    def bindings(self, name: str, within: Trail | None) -> tuple[Mention, ...]:
        """Return the mentions that read nothing."""
        start = within or (self.tree, None)
        key = (name, id(start[0]))
        if key not in self._bindings:
            self._bindings[key] = tuple(
                [mention for mention in self.mentions(name, within) if not mention.reads]
            )
        return self._bindings[key]

    def near(self, word: str, first: int = 1, last: int | None = None) -> Near:
        """Return the table of lines, from ``first`` to ``last``, on which a tree may spell this word.

        Python reads some letters beyond ASCII as others (PEP 3131), so that lines which hold any count too.
        """
        last = last or self._last_line
        beyond = self._beyond_ascii
        lines = set(beyond[bisect_left(beyond, first) : bisect_right(beyond, last)])
        if word.isascii():
            lines.update(self.source.lines_with(word, first, last))
        return near_lines(lines, first, last)

    @cached_property
    def _last_line(self) -> int:
        ends = [node.end_lineno or 0 for node in self.tree.body[-1:]]
        return max([self.source.line_count, *ends])

    @cached_property
    def _beyond_ascii(self) -> tuple[int, ...]:
        if self.source.is_ascii:
            return ()
        return tuple([number for number, line in enumerate(self.source.lines, 1) if not line.isascii()])

    @cached_property
    def _imports_star(self) -> bool:
        return _STAR.search(self.source.text) is not None


def _lines_of(node: ast.AST) -> tuple[int, int | None]:
    if not isinstance(node, Function):
        return 1, None
    return min([node.lineno, *[part.lineno for part in node.decorator_list]]), node.end_lineno


def scope_of(trail: Trail) -> Trail | None:
    """Return the trail to the function in whose body a trail ends, with no other function or class between."""
    step = trail
    while (outer := step[1]) is not None:
        node = outer[0]
        # Of what a function or class consists of, only its body's parts are statements.
        if isinstance(node, _SCOPES) and isinstance(step[0], ast.stmt):
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
