"""Templates: the text of a rewrite with slots, and the tree that the written text must have.

==================  =============================================================================
``${M}``            M's text, in brackets unless it is an atom; a rest brings its leading comma along
``${M.bare}``       M's text as it stands
``${M.inner}``      what stands between the brackets of a comprehension
``${M.pairs}``      the same of a comprehension over pairs, as ``key: value for ...``
==================  =============================================================================
"""

import ast
import re
from collections.abc import Callable

import msgspec

from konivrer_watch.passes.optimize.matchers import ONE, REST, Captures, metavariable, rest
from konivrer_watch.passes.optimize.nodes import compared_fields

SLOT = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:\.([a-z]+))?\}")

_INNER, _PAIRS = "__inner_", "__pairs_"
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class Template(msgspec.Struct, frozen=True):
    """A checked template. ``text`` has slots; ``root`` is its tree with names in their place."""

    text: str
    root: ast.AST
    is_statement: bool

    def build(self, captures: Captures) -> ast.AST:
        """Return the tree of the rewrite; ``ValueError`` where a capture is not of the kind that a slot needs."""
        built = _build(self.root, captures)
        if not isinstance(built, ast.AST):
            raise ValueError("the rewrite is no single node")
        return built


def compile_template(
    text: str, ones: frozenset[str], rests: frozenset[str], *, is_statement: bool
) -> Template:
    """Compile a template for what every pattern captures; ``ValueError`` says what is wrong with it."""
    if "\n" in text or "\r" in text:
        raise ValueError("must be one line, for its indentation would be unknown")
    for name, part in SLOT.findall(text):
        if name not in ones | rests:
            raise ValueError(f"unknown metavariable {name!r}")
        if part not in ({""} if name in rests else {"", "bare", "inner", "pairs"}):
            raise ValueError(f"unknown part {part!r} of {name}")
    rendered = SLOT.sub(lambda slot: _stand_in(slot[1], slot[2], slot[1] in rests), text)
    if "$" in rendered:
        raise ValueError("a '$' outside '${NAME}'")
    try:
        body = ast.parse(rendered).body
    except SyntaxError as error:
        raise ValueError(f"not Python code: {error.msg}") from error
    if len(body) != 1:
        raise ValueError("must be one statement")
    if is_statement:
        return Template(text, body[0], True)
    if not isinstance(body[0], ast.Expr):
        raise ValueError("not a Python expression")
    return Template(text, body[0].value, False)


def _stand_in(name: str, part: str | None, is_rest: bool) -> str:
    if is_rest:
        return f", {REST}{name}"
    if part == "inner":
        return f"{_INNER}{name} for {_INNER}{name} in {_INNER}{name}"
    if part == "pairs":
        return f"{_PAIRS}{name}: {_PAIRS}{name} for {_PAIRS}{name} in {_PAIRS}{name}"
    return f"{ONE}{name}"


def _build(node: object, captures: Captures) -> object:
    if (name := metavariable(node)) is not None:
        return captures[name]
    if isinstance(node, _COMPREHENSIONS) and isinstance(target := node.generators[0].target, ast.Name):
        for prefix, make in _COMPREHENDED.items():
            if target.id.startswith(prefix):
                return make(node, captures[target.id.removeprefix(prefix)])
    if isinstance(node, ast.Call) and node.args and (name := rest(node.args[-1])) is not None:
        more = captures[name]
        return _make(
            ast.Call,
            func=_build(node.func, captures),
            args=[*[_build(part, captures) for part in node.args[:-1]], *_of(more, ast.expr)],
            keywords=_of(more, ast.keyword),
        )
    if isinstance(node, ast.AST):
        fields = {
            field: _build(getattr(node, field, None), captures) for field in compared_fields(type(node))
        }
        return _make(type(node), **fields)
    if isinstance(node, list):
        return [_build(part, captures) for part in node]
    return node


def _make(kind: type[ast.AST], **fields: object) -> ast.AST:
    node = kind.__new__(kind)
    for field, value in fields.items():
        setattr(node, field, value)
    return node


def _of(parts: object, kind: type[ast.AST]) -> list[ast.AST]:
    return [part for part in parts if isinstance(part, kind)] if isinstance(parts, tuple) else []


def _inner(node: ast.AST, capture: object) -> ast.AST:
    if not isinstance(capture, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        raise ValueError("the part is no comprehension")
    return _make(type(node), elt=capture.elt, generators=capture.generators)


def _pairs(node: ast.AST, capture: object) -> ast.AST:
    element = getattr(capture, "elt", None)
    if not isinstance(element, ast.Tuple) or len(element.elts) != 2:
        raise ValueError("the part is no comprehension over pairs")
    generators = getattr(capture, "generators", [])
    return ast.DictComp(key=element.elts[0], value=element.elts[1], generators=generators)


_COMPREHENDED: dict[str, Callable[[ast.AST, object], ast.AST]] = {_INNER: _inner, _PAIRS: _pairs}
