"""Trees: which fields of a node hold nodes, which make its shape, and where in the file a walk must go."""

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

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
_DECORATED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
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


def next_lines(lines: Collection[int], last: int) -> Sequence[int]:
    """Return a table that gives for each line, up to ``last``, the first of ``lines`` from there on."""
    table = [_BEYOND] * (last + 2)
    for line in lines:
        if line <= last:
            table[line] = line
    for line in range(last, -1, -1):
        if table[line] == _BEYOND:
            table[line] = table[line + 1]
    return table


def trails(tree: ast.AST, near: Sequence[int] | None, wanted: Collection[type[ast.AST]]) -> Iterator[Trail]:
    """Walk to every node of a wanted type that lies on a line of the table ``near``; ``None`` means everywhere.

    What lies on none of these lines is not entered, which is what makes a search fast. Operators and contexts are
    not walked to.
    """
    stack: list[Trail] = [(tree, None)]
    while stack:
        trail = stack.pop()
        node = trail[0]
        kind = type(node)
        if kind in wanted:
            yield trail
        if near is not None and kind.__name__ in _STRINGS_OF_CODE:
            yield from _below(trail, wanted)
            continue
        for field in _CHILD_FIELDS[kind]:
            value: Any = getattr(node, field, None)
            if type(value) is list:
                for child in value:
                    if child is not None and (near is None or _is_near(child, near)):
                        stack.append((child, trail))
            elif isinstance(value, ast.AST) and (near is None or _is_near(value, near)):
                stack.append((value, trail))


def around(trail: Trail | None) -> Iterator[ast.AST]:
    """Yield the nodes around the trail's own, from the inside out."""
    step = trail[1] if trail else None
    while step is not None:
        yield step[0]
        step = step[1]


def _below(trail: Trail, wanted: Collection[type[ast.AST]]) -> Iterator[Trail]:
    stack = [trail]
    while stack:
        step = stack.pop()
        if step is not trail and type(step[0]) in wanted:
            yield step
        for field in _CHILD_FIELDS[type(step[0])]:
            value: Any = getattr(step[0], field, None)
            children = value if type(value) is list else (value,)
            stack.extend([(child, step) for child in children if isinstance(child, ast.AST)])


def _is_near(node: Any, near: Sequence[int]) -> bool:
    try:
        start = node.lineno
    except AttributeError:
        # Comprehensions, arguments and the like have no place of their own.
        return True
    if isinstance(node, _DECORATED) and node.decorator_list:
        start = node.decorator_list[0].lineno
    return bool(near[start] <= node.end_lineno)


def _child_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(kind, ast.Constant):
        return ()
    ignored = _IGNORED_FIELDS if kind.__name__ in _WITH_NAMED_CHILDREN else _LEAF_FIELDS
    return tuple(field for field in kind._fields if field not in ignored)


def _each_kind(fields: Callable[[type[ast.AST]], tuple[str, ...]]) -> dict[type[ast.AST], tuple[str, ...]]:
    kinds = vars(ast).values()
    return {kind: fields(kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, ast.AST)}


_CHILD_FIELDS = _each_kind(_child_fields)
_COMPARED = _each_kind(lambda kind: tuple([field for field in kind._fields if field not in _IGNORED_FIELDS]))
