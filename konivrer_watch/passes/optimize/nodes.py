"""Trees: which fields of a node hold nodes, which make its shape, and where in the file a walk must go."""

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec

# A node with those around it, from the inside out; the module is the last.
Trail = tuple[ast.AST, "Trail | None"]

_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment"})
_LEAF_FIELDS = _IGNORED_FIELDS | {
    "id",
    "attr",
    "arg",
    "op",
    "ops",
    "name",
    "names",
    "module",
    "level",
    "kwd_attrs",
}
# Nodes whose ``name`` or ``names`` are nodes in turn: imported aliases, and the target of ``type X = ...``.
_WITH_NAMED_CHILDREN = frozenset({"Import", "ImportFrom", "TypeAlias"})
_DECORATED = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})
_STRINGS_OF_CODE = frozenset({"JoinedStr", "TemplateStr"})
_BEYOND = 1 << 60


def compared_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields that make a node's shape: all but those that follow from its place or its spelling."""
    return _COMPARED[kind]


def same(left: object, right: object) -> bool:
    """Tell whether two parts of a tree have the same shape, wherever they stand and however deep they are."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if one is other:
            continue
        if type(one) is not type(other):
            return False
        if isinstance(one, ast.AST):
            fields = _COMPARED[type(one)]
            pairs.extend([(getattr(one, field, None), getattr(other, field, None)) for field in fields])
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif one != other:
            return False
    return True


def is_string_of_code(node: ast.AST) -> bool:
    """Tell whether a node is an f-string or t-string: before Python 3.12 what is in it carries wrong places."""
    return type(node).__name__ in _STRINGS_OF_CODE


class Near(msgspec.Struct, frozen=True):
    """A table of lines from ``first`` on: for each, the next line of interest."""

    first: int
    table: Sequence[int]


def near_lines(lines: Collection[int], first: int, last: int) -> Near:
    """Return the table for the lines from ``first`` to ``last``, of which ``lines`` are of interest."""
    table: list[int] = []
    for line in sorted(lines):
        table += [line] * (line - first + 1 - len(table))
    table += [_BEYOND] * (last - first + 2 - len(table))
    return Near(first, table)


def trails(start: Trail, near: Near | None, wanted: Collection[type[ast.AST]]) -> Iterator[Trail]:
    """Walk from a node to every one below it that is of a wanted type and lies on a line of interest.

    What lies on no such line is not entered, which is what makes a search fast; ``None`` means everywhere.
    Operators and contexts are not walked to.
    """
    first, table = (0, ()) if near is None else (near.first, near.table)
    stack = [start]
    pop, push = stack.pop, stack.append
    skipped = _LEAVES.difference(wanted)
    while stack:
        trail = pop()
        node = trail[0]
        kind = type(node)
        if kind in wanted:
            yield trail
        if near is None or kind.__name__ in _STRINGS_OF_CODE:
            yield from _below(trail, wanted)
            continue
        for field in _CHILD_FIELDS[kind]:
            value: Any = getattr(node, field, None)
            for child in value if type(value) is list else (value,):
                if type(child) in skipped:
                    continue
                try:
                    line = child.lineno
                except AttributeError:
                    # Comprehensions, arguments and the like have no place of their own.
                    if isinstance(child, ast.AST):
                        push((child, trail))
                    continue
                if type(child) in _DECORATED and child.decorator_list:
                    line = child.decorator_list[0].lineno
                if table[line - first] <= child.end_lineno:
                    push((child, trail))


def around(trail: Trail | None) -> Iterator[ast.AST]:
    """Yield the nodes around the trail's own, from the inside out."""
    step = trail[1] if trail else None
    while step is not None:
        yield step[0]
        step = step[1]


def _below(trail: Trail, wanted: Collection[type[ast.AST]]) -> Iterator[Trail]:
    stack = [(child, trail) for child in _children(trail[0])]
    while stack:
        step = stack.pop()
        if type(step[0]) in wanted:
            yield step
        stack.extend([(child, step) for child in _children(step[0])])


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for field in _CHILD_FIELDS[type(node)]:
        value: Any = getattr(node, field, None)
        for child in value if type(value) is list else (value,):
            if isinstance(child, ast.AST):
                yield child


def _child_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(kind, ast.Constant):
        return ()
    ignored = _IGNORED_FIELDS if kind.__name__ in _WITH_NAMED_CHILDREN else _LEAF_FIELDS
    return tuple(field for field in kind._fields if field not in ignored)


def _each_kind(fields: Callable[[type[ast.AST]], tuple[str, ...]]) -> dict[type[ast.AST], tuple[str, ...]]:
    kinds = vars(ast).values()
    return {kind: fields(kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, ast.AST)}


_CHILD_FIELDS = _each_kind(_child_fields)
_LEAVES = frozenset([*[kind for kind, fields in _CHILD_FIELDS.items() if not fields], type(None)])
_COMPARED = _each_kind(lambda kind: tuple([field for field in kind._fields if field not in _IGNORED_FIELDS]))
