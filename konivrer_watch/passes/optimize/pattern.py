"""Structural patterns: Python code with metavariables, matched on ``ast`` nodes.

``$NAME`` stands for one expression and for the same one wherever it is repeated; it is never a starred one and never
a slice. ``$$NAME`` stands for the rest, possibly nothing: of a call's arguments, or of a block's statements.
"""

import ast
import re
from collections.abc import Iterator

import msgspec

from konivrer_watch.passes.optimize.matchers import (
    ONE,
    REST,
    Captures,
    Matcher,
    compile_matcher,
    metavariable,
    rest,
)

_METAVARIABLE = re.compile(r"(\$\$?)([A-Z][A-Z0-9_]*)")
_WRAPPERS: dict[type[ast.AST], str] = {
    ast.Expr: "value", ast.Subscript: "value", ast.Await: "value", ast.Assign: "value", ast.For: "iter",
}  # fmt: skip
_OPERATIONS = (ast.BinOp, ast.BoolOp, ast.AugAssign)


class Pattern(msgspec.Struct, frozen=True):
    """One compiled shape: an expression, or statements that follow each other.

    ``head`` is the index of the part by which matches are found: ``kind`` is that part's type, and ``key``
    what ``key_of`` tells of it.
    """

    matchers: tuple[Matcher, ...]
    is_statement: bool
    ones: frozenset[str]
    rests: frozenset[str]
    head: int
    kind: type[ast.AST]
    key: str | None

    def match(self, parts: list[ast.AST]) -> Captures | None:
        """Return what each metavariable stands for, or ``None`` where the nodes have another shape."""
        captures: Captures = {}
        for matcher, part in zip(self.matchers, parts, strict=True):
            if not matcher(part, captures):
                return None
        return captures


def compile_pattern(text: str, *, is_statement: bool) -> Pattern:
    """Compile one pattern; ``ValueError`` says why a text is none."""
    try:
        body = ast.parse(code_of(text.strip())).body
    except SyntaxError as error:
        raise ValueError(f"not Python code: {error.msg}") from error
    if is_statement:
        parts: list[ast.AST] = list(body)
    elif len(body) == 1 and isinstance(body[0], ast.Expr):
        parts = [body[0].value]
    else:
        raise ValueError("not an expression; a pattern of statements needs 'kind = \"statement\"'")
    if not parts:
        raise ValueError("is empty")
    ones, rests = _names_in(parts)
    if any(metavariable(part) or rest(part) for part in parts):
        raise ValueError("a lone metavariable would match everything")
    head = max(range(len(parts)), key=lambda index: (key_of(parts[index]) is not None, index))
    return Pattern(
        tuple([compile_matcher(part) for part in parts]), is_statement, ones, rests,
        head, type(parts[head]), key_of(parts[head]),
    )  # fmt: skip


def code_of(text: str) -> str:
    """Return the pattern as plain Python, each metavariable an identifier."""
    return _METAVARIABLE.sub(lambda found: (ONE if found[1] == "$" else REST) + found[2], text)


def key_of(node: ast.AST) -> str | None:
    """Return what tells nodes of one type apart at a glance, if anything does.

    For a call it is the name that it calls, for an operation its operator, and for what is made of these, or loops
    over them, the same.
    """
    kind = type(node)
    while kind in _WRAPPERS:
        node = getattr(node, _WRAPPERS[kind])
        kind = type(node)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return None if metavariable(node.func) else node.func.id
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
    elif isinstance(node, _OPERATIONS):
        return type(node.op).__name__
    return None


def _names_in(parts: list[ast.AST]) -> tuple[frozenset[str], frozenset[str]]:
    ones: set[str] = set()
    rests: set[str] = set()
    allowed: set[int] = set()
    for node in [node for part in parts for node in ast.walk(part)]:
        for values in _ends(node):
            allowed.add(id(values.value if isinstance(values, ast.Expr) else values))
        if (name := metavariable(node)) is not None:
            ones.add(name)
        elif isinstance(node, ast.Name) and (name := rest(node)) is not None:
            if id(node) not in allowed or name in rests:
                raise ValueError(f"'$${name}' must stand once, last in a call or in a block")
            rests.add(name)
        else:
            _refuse_text(node)
    if ones & rests:
        raise ValueError(f"{min(ones & rests)} stands for one expression and for a rest")
    return frozenset(ones), frozenset(rests)


def _ends(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and not node.keywords:
        yield from node.args[-1:]
    yield from getattr(node, "body", [])[-1:] if isinstance(node, ast.stmt) else []


def _refuse_text(node: ast.AST) -> None:
    for _, value in ast.iter_fields(node):
        if isinstance(value, str) and (ONE in value or REST in value):
            raise ValueError("a metavariable stands where no expression can")
