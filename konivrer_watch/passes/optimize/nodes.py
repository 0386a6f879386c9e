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


def walk(start: Trail, wanted: Collection[type[ast.AST]]) -> Iterator[Trail]:
    """Walk from a node to every one of a wanted type, itself included; operators and contexts are not walked to.

    Most nodes are leaves, and passed over where nobody wants them: that makes a walk cost a tenth of parsing.
    """
    stack = [start]
    pop, push = stack.pop, stack.append
    skipped = _LEAVES.difference(wanted)
    while stack:
        trail = pop()
        node = trail[0]
        kind = type(node)
        if kind in wanted:
            yield trail
        for field in _CHILD_FIELDS[kind]:
            value: Any = getattr(node, field, None)
            if type(value) is list:
                for child in value:
                    if type(child) not in skipped:
                        push((child, trail))
            elif type(value) not in skipped:
                push((value, trail))


def walk_near(start: Trail, near: Near, wanted: Collection[type[ast.AST]]) -> Iterator[Trail]:
    """Walk as ``walk`` does, but enter only what lies on a line of interest."""
    stack = [start]
    first, table = near.first, near.table
    skipped = _LEAVES.difference(wanted)
    while stack:
        trail = stack.pop()
        node = trail[0]
        if is_string_of_code(node):
            yield from walk(trail, wanted)
            continue
        if type(node) in wanted:
            yield trail
        for child in _children(node):
            if type(child) in skipped:
                continue
            # Comprehensions, arguments and the like have no place of their own.
            line = getattr(child, "lineno", None)
            if type(child) in _DECORATED and child.decorator_list:
                line = child.decorator_list[0].lineno
            if line is None or table[line - first] <= child.end_lineno:
                stack.append((child, trail))


def around(trail: Trail | None) -> Iterator[ast.AST]:
    """Yield the nodes around the trail's own, from the inside out."""
    step = trail[1] if trail else None
    while step is not None:
        yield step[0]
        step = step[1]


def _children(node: ast.AST) -> Iterator[Any]:
    for field in _CHILD_FIELDS[type(node)]:
        value: Any = getattr(node, field, None)
        yield from value if type(value) is list else (value,)


def _child_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(kind, ast.Constant):
        return ()
    ignored = _IGNORED_FIELDS if kind.__name__ in _WITH_NAMED_CHILDREN else _LEAF_FIELDS
    return tuple(field for field in kind._fields if field not in ignored)


def _each_kind(fields: Callable[[type[ast.AST]], tuple[str, ...]]) -> dict[type[ast.AST], tuple[str, ...]]:
    kinds = vars(ast).values()
    return {kind: fields(kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, ast.AST)}


_CHILD_FIELDS = _each_kind(_child_fields)
# What a field holds beside nodes with children: plain values, and nodes without.
_LEAVES: frozenset[type] = frozenset(
    [*[kind for kind, fields in _CHILD_FIELDS.items() if not fields], int, bool, str, type(None)]
)
_COMPARED = _each_kind(lambda kind: tuple([field for field in kind._fields if field not in _IGNORED_FIELDS]))
