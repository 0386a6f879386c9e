"""Structural patterns: Python code with metavariables, matched on ``ast`` nodes.

``$NAME`` stands for one expression and for the same one wherever it is repeated; it is never a starred one and never
a slice. ``$$NAME`` stands for the rest, possibly nothing: of a call's arguments, or of a block's statements.
"""

import ast
import re
from collections.abc import Callable, Iterator

import msgspec

from konivrer_watch.passes.optimize.nodes import compared_fields, same

Capture = ast.expr | tuple[ast.AST, ...]
Captures = dict[str, Capture]
_Matcher = Callable[[object, Captures], bool]

_METAVARIABLE = re.compile(r"(\$\$?)([A-Z][A-Z0-9_]*)")
_ONE = "__metavariable_"
_REST = "__rest_"
_WRAPPERS: dict[type[ast.AST], str] = {
    ast.Expr: "value", ast.Subscript: "value", ast.Await: "value", ast.Assign: "value", ast.For: "iter",
}  # fmt: skip
_OPERATIONS = (ast.BinOp, ast.BoolOp, ast.AugAssign)
_NO_PART = (ast.Starred, ast.Slice)


class Pattern(msgspec.Struct, frozen=True):
    """One compiled shape: an expression, or statements that follow each other.

    ``head`` is the index of the part by which matches are found: ``kind`` and ``key`` are that part's type and, for
    a call, the name it calls. ``word`` is a text that every match spells, in ASCII, if there is one.
    """

    matchers: tuple[_Matcher, ...]
    is_statement: bool
    ones: frozenset[str]
    rests: frozenset[str]
    head: int
    kind: type[ast.AST]
    key: str | None
    word: str | None

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
    words = [_word_of(part) for part in parts]
    head = max(range(len(parts)), key=lambda index: _rarity(words[index]))
    return Pattern(
        tuple([_compile(part) for part in parts]), is_statement, ones, rests,
        head, type(parts[head]), key_of(parts[head]), words[head],
    )  # fmt: skip


def code_of(text: str) -> str:
    """Return the pattern as plain Python, each metavariable an identifier."""
    return _METAVARIABLE.sub(lambda found: (_ONE if found[1] == "$" else _REST) + found[2], text)


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


def metavariable(node: object) -> str | None:
    """Return the metavariable that a node of a pattern is."""
    return _named(node, _ONE)


def rest(node: object) -> str | None:
    """Return the metavariable for the rest that a node of a pattern is, an expression or a statement."""
    return _named(node.value if isinstance(node, ast.Expr) else node, _REST)


def _named(node: object, prefix: str) -> str | None:
    if isinstance(node, ast.Name) and node.id.startswith(prefix):
        return node.id.removeprefix(prefix)
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
        elif (name := _named(node, _REST)) is not None:
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
        if isinstance(value, str) and (_ONE in value or _REST in value):
            raise ValueError("a metavariable stands where no expression can")


_OPERATORS = {
    ast.Pow: "**", ast.Mod: "%", ast.FloorDiv: "//", ast.MatMult: "@", ast.LShift: "<<", ast.RShift: ">>",
    ast.NotIn: "in", ast.In: "in", ast.Or: "or", ast.And: "and", ast.Add: "+",
}  # fmt: skip
_KEYWORDS = {
    ast.For: "for", ast.While: "while", ast.comprehension: "for", ast.Lambda: "lambda", ast.If: "if", ast.With: "with",
    ast.Import: "import", ast.ImportFrom: "import", ast.Await: "await", ast.Try: "try", ast.IfExp: "if",
}  # fmt: skip


def _word_of(part: ast.AST) -> str | None:
    words = [word for node in ast.walk(part) if (word := _spelled(node)) is not None and word.isascii()]
    return max(words, key=_rarity, default=None)


def _spelled(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return None if metavariable(node) or rest(node) else node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.AugAssign):
        return _OPERATORS.get(type(node.op), "") + "="
    return _KEYWORDS.get(type(node)) or _OPERATORS.get(type(node))


def _rarity(word: str | None) -> tuple[int, int]:
    if word is None:
        return (0, 0)
    if not word.isidentifier():
        return (2, len(word)) if len(word) > 1 else (0, 1)
    return (1, len(word)) if word in _KEYWORDS.values() or word in _OPERATORS.values() else (3, len(word))


def _compile(pattern: object) -> _Matcher:
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


def _compile_one(name: str) -> _Matcher:
    def matches(node: object, captures: Captures) -> bool:
        if not isinstance(node, ast.expr) or isinstance(node, _NO_PART):
            return False
        return same(captures.setdefault(name, node), node)

    return matches


def _compile_node(pattern: ast.AST, fields: tuple[str, ...]) -> _Matcher:
    kind = type(pattern)
    parts = [(field, _compile(getattr(pattern, field, None))) for field in fields]

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


def _compile_list(pattern: list[object]) -> _Matcher:
    name = rest(pattern[-1]) if pattern else None
    matchers = [_compile(part) for part in (pattern if name is None else pattern[:-1])]
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


def _compile_call(pattern: ast.Call) -> _Matcher:
    name = rest(pattern.args[-1]) or ""
    func = _compile(pattern.func)
    arguments = [_compile(argument) for argument in pattern.args[:-1]]

    def matches(node: object, captures: Captures) -> bool:
        if not isinstance(node, ast.Call) or len(node.args) < len(arguments) or not func(node.func, captures):
            return False
        if not all(matcher(part, captures) for matcher, part in zip(arguments, node.args, strict=False)):
            return False
        captures[name] = (*node.args[len(arguments) :], *node.keywords)
        return True

    return matches
