"""The fixed vocabulary of ``where``: what a rule may ask of a match. Nothing here runs a rule's code.

==================  =============================================================================
``const M t``       M is a literal whose type is named t (``str``, ``bytes``, ``int``, ...)
``builtin n...``    the file neither binds these names anywhere nor imports ``*``
``sync_gen M``      M is a generator expression with nothing asynchronous in it
``no_effects M``    M has no ``await``, ``yield``, ``yield from`` or walrus in it
``no_frame_calls M``  M names nothing that looks at the running frame (``locals``, ``super``, ...)
``no_next M``       M names nothing that obviously raises StopIteration (``next``, ``send``, ...)
==================  =============================================================================
"""

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from konivrer_watch.passes.optimize.pattern import Captures

_FRAME_NAMES = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "super", "__class__", "_getframe", "currentframe", "stack"}
)
_STOP_NAMES = frozenset({"next", "anext", "__next__", "send", "throw", "StopIteration"})
_LITERAL_TYPES = frozenset({"str", "bytes", "int", "float", "complex", "bool"})
_EFFECTS = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


class Bindings:
    """Every name a file binds in any scope, found on first use."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self._nodes = nodes

    @cached_property
    def names(self) -> frozenset[str]:
        """The bound names; ``*`` among them stands for a star import."""
        return frozenset(name for node in self._nodes for name in _bound_by(node))

    def leaves_builtin(self, name: str) -> bool:
        """Tell whether the name still means the builtin everywhere in the file."""
        return name not in self.names and "*" not in self.names


Check = Callable[[Captures, Bindings], bool]


def compile_predicate(text: str, metavariables: frozenset[str]) -> Check:
    """Compile one line of ``where``; ``ValueError`` says what is wrong with it."""
    name, *words = text.split() or [""]
    if name == "builtin":
        return _compile_builtin(words)
    if name != "const" and name not in _VOCABULARY:
        known = ", ".join(sorted([*_VOCABULARY, "builtin", "const"]))
        raise ValueError(f"unknown predicate {name!r}; known are {known}")
    if not words or words[0] not in metavariables:
        raise ValueError(f"{text!r} names no metavariable of the pattern")
    metavariable, *rest = words
    if name == "const":
        return _compile_const(metavariable, rest)
    if rest:
        raise ValueError(f"{text!r} has words after the metavariable")
    holds = _VOCABULARY[name]
    return lambda captures, _: holds(captures[metavariable])


def _compile_const(metavariable: str, words: list[str]) -> Check:
    if len(words) != 1 or words[0] not in _LITERAL_TYPES:
        raise ValueError(f"'const {metavariable}' needs one type of {', '.join(sorted(_LITERAL_TYPES))}")
    wanted = words[0]

    def holds(captures: Captures, _: Bindings) -> bool:
        node = captures[metavariable]
        return isinstance(node, ast.Constant) and type(node.value).__name__ == wanted

    return holds


def _compile_builtin(words: list[str]) -> Check:
    if not words:
        raise ValueError("'builtin' needs a name")
    for word in words:
        if not hasattr(builtins, word):
            raise ValueError(f"{word!r} is not a builtin")
    return lambda _, bindings: all(bindings.leaves_builtin(word) for word in words)


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.Global):
        yield from node.names
    elif isinstance(node, ast.MatchMapping):
        if node.rest is not None:
            yield node.rest
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        if node.name is not None:
            yield node.name
    elif type(node).__name__ in {"TypeVar", "ParamSpec", "TypeVarTuple"}:
        yield str(getattr(node, "name", ""))


def _names_any(node: ast.expr, names: frozenset[str]) -> bool:
    return any(
        (isinstance(part, ast.Name) and part.id in names)
        or (isinstance(part, ast.Attribute) and part.attr in names)
        for part in ast.walk(node)
    )


def _sync_gen(node: ast.expr) -> bool:
    return isinstance(node, ast.GeneratorExp) and not any(
        isinstance(part, ast.Await) or (isinstance(part, ast.comprehension) and part.is_async)
        for part in ast.walk(node)
    )


def _no_effects(node: ast.expr) -> bool:
    return not any(isinstance(part, _EFFECTS) for part in ast.walk(node))


def _no_frame_calls(node: ast.expr) -> bool:
    return not _names_any(node, _FRAME_NAMES)


def _no_next(node: ast.expr) -> bool:
    return not _names_any(node, _STOP_NAMES)


_VOCABULARY: Mapping[str, Callable[[ast.expr], bool]] = {
    "sync_gen": _sync_gen,
    "no_effects": _no_effects,
    "no_frame_calls": _no_frame_calls,
    "no_next": _no_next,
}
