"""Matchers: what a pattern's nodes are compiled to, and the names by which metavariables are told from others."""

import ast
from collections.abc import Callable

from konivrer_watch.passes.optimize.nodes import compared_fields, same

Capture = ast.expr | tuple[ast.AST, ...]
Captures = dict[str, Capture]
Matcher = Callable[[object, Captures], bool]

# In a pattern's code, the beginning of the name that stands for one expression, and for a rest.
ONE = "__metavariable_"
REST = "__rest_"
_NO_PART = (ast.Starred, ast.Slice)


def metavariable(node: object) -> str | None:
    """Return the metavariable that a node of a pattern is."""
    return _named(node, ONE)


def rest(node: object) -> str | None:
    """Return the metavariable for the rest that a node of a pattern is, an expression or a statement."""
    return _named(node.value if isinstance(node, ast.Expr) else node, REST)


def _named(node: object, prefix: str) -> str | None:
    if isinstance(node, ast.Name) and node.id.startswith(prefix):
        return node.id.removeprefix(prefix)
    return None


def compile_matcher(pattern: object) -> Matcher:
    """Compile a part of a pattern: a node, a list of nodes, or a plain value."""
    name = metavariable(pattern)
    if name is not None:
        return _compile_one(name)
    if isinstance(pattern, ast.Call) and pattern.args and rest(pattern.args[-1]):
        return _compile_call(pattern)
    if isinstance(pattern, ast.AST):
        return _compile_node(pattern, compared_fields(type(pattern)))
    if isinstance(pattern, list):
        return _compile_list(pattern)
    kind = type(pattern)
    return lambda node, _: type(node) is kind and node == pattern


def _compile_one(name: str) -> Matcher:
    def matches(node: object, captures: Captures) -> bool:
        if not isinstance(node, ast.expr) or isinstance(node, _NO_PART):
            return False
        return same(captures.setdefault(name, node), node)

    return matches


def _compile_node(pattern: ast.AST, fields: tuple[str, ...]) -> Matcher:
    kind = type(pattern)
    parts = [(field, compile_matcher(getattr(pattern, field, None))) for field in fields]

    def matches(node: object, captures: Captures) -> bool:
        if type(node) is not kind:
            return False
        for field, matcher in parts:
            if not matcher(getattr(node, field, None), captures):
                break
        else:
            return True
        return False

    return matches


def _compile_list(pattern: list[object]) -> Matcher:
    name = rest(pattern[-1]) if pattern else None
    matchers = [compile_matcher(part) for part in (pattern if name is None else pattern[:-1])]
    count = len(matchers)

    def matches(node: object, captures: Captures) -> bool:
        if not isinstance(node, list) or len(node) < count or (name is None and len(node) != count):
            return False
        for matcher, part in zip(matchers, node, strict=False):
            if not matcher(part, captures):
                return False
        if name is not None:
            captures[name] = tuple(node[count:])
        return True

    return matches


def _compile_call(pattern: ast.Call) -> Matcher:
    name = rest(pattern.args[-1]) or ""
    func = compile_matcher(pattern.func)
    arguments = [compile_matcher(argument) for argument in pattern.args[:-1]]

    def matches(node: object, captures: Captures) -> bool:
        if not isinstance(node, ast.Call) or len(node.args) < len(arguments) or not func(node.func, captures):
            return False
        if not all(matcher(part, captures) for matcher, part in zip(arguments, node.args, strict=False)):
            return False
        captures[name] = (*node.args[len(arguments) :], *node.keywords)
        return True

    return matches
