"""Structural patterns: Python expressions with metavariables (``$NAME``), matched on ``ast`` nodes."""

import ast
import re
from collections.abc import Iterable, Mapping

import msgspec

Captures = dict[str, ast.expr]

_METAVARIABLE = re.compile(r"\$([A-Z][A-Z0-9_]*)")
_PREFIX = "__metavariable_"
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment"})
_LEAF_FIELDS = _IGNORED_FIELDS | {"id", "attr", "arg", "op", "ops", "name", "names", "module", "level", "n"}
# Nodes whose ``name`` or ``names`` are nodes in turn: imported aliases, and the target of ``type X = ...``.
_WITH_NAMED_CHILDREN = frozenset({"Import", "ImportFrom", "TypeAlias"})


class Pattern(msgspec.Struct, frozen=True):
    """A compiled expression pattern. ``anchor`` is an identifier every match must spell, if there is one."""

    root: ast.expr
    metavariables: frozenset[str]
    anchor: str | None

    def match(self, node: ast.expr) -> Captures | None:
        """Return what each metavariable stands for, or ``None`` where the node has another shape."""
        captures: Captures = {}
        return captures if _matches(self.root, node, captures) else None


def compile_pattern(text: str) -> Pattern:
    """Compile one expression; ``ValueError`` says why a text is not a pattern."""
    try:
        root = ast.parse(_METAVARIABLE.sub(_PREFIX + r"\1", text.strip()), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"not a Python expression: {error.msg}") from error
    names: set[str] = set()
    for node in ast.walk(root):
        name = _metavariable(node)
        if name is not None:
            names.add(name)
            continue
        for _, value in ast.iter_fields(node):
            if isinstance(value, str) and _PREFIX in value:
                raise ValueError("a metavariable stands where no expression can")
    if _metavariable(root) is not None:
        raise ValueError("a lone metavariable would match everything")
    return Pattern(root, frozenset(names), anchor_of(root))


def anchor_of(node: ast.expr) -> str | None:
    """Return the name or attribute a call calls; ``None`` for other nodes and for called metavariables."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and _metavariable(node.func) is None:
            return node.func.id
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
    return None


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
            fields = [field for field in one._fields if field not in _IGNORED_FIELDS]
            pairs.extend([(getattr(one, field, None), getattr(other, field, None)) for field in fields])
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif one != other:
            return False
    return True


def flatten(tree: ast.AST) -> list[ast.AST]:
    """List every node that can hold or be an expression, without operators and contexts; parents first."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        for field in _CHILD_FIELDS[type(node)]:
            value = getattr(node, field, None)
            if type(value) is list:
                nodes.extend([child for child in value if isinstance(child, ast.AST)])
            elif isinstance(value, ast.AST):
                nodes.append(value)
    return nodes


def render_names(captures: Iterable[str]) -> Mapping[str, str]:
    """Return a plain identifier for each metavariable, to try a template out with."""
    return {name: _PREFIX + name for name in captures}


def _child_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(kind, ast.Constant):
        return ()
    ignored = _IGNORED_FIELDS if kind.__name__ in _WITH_NAMED_CHILDREN else _LEAF_FIELDS
    return tuple(field for field in kind._fields if field not in ignored)


_CHILD_FIELDS = {
    kind: _child_fields(kind)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def _metavariable(node: object) -> str | None:
    if isinstance(node, ast.Name) and node.id.startswith(_PREFIX):
        return node.id.removeprefix(_PREFIX)
    return None


def _matches(pattern: object, node: object, captures: Captures) -> bool:
    name = _metavariable(pattern)
    if name is not None:
        return isinstance(node, ast.expr) and same(captures.setdefault(name, node), node)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.AST):
        return all(
            _matches(getattr(pattern, field, None), getattr(node, field, None), captures)
            for field in pattern._fields
            if field not in _IGNORED_FIELDS
        )
    if isinstance(pattern, list) and isinstance(node, list):
        return len(pattern) == len(node) and all(
            _matches(part, other, captures) for part, other in zip(pattern, node, strict=True)
        )
    return pattern == node
