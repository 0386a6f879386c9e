"""Proof that a local is of exactly one built-in type: every binding of it, in any scope, is a display of that type.

A local of a function only, since other modules may bind anything else anew. Where a subclass could come out (``str``
of an object, ``+=`` of one that adds itself), there is no proof.
"""

import ast
from collections.abc import Callable, Mapping
from functools import partial

from konivrer_watch.passes.optimize.nodes import Trail, around
from konivrer_watch.passes.optimize.scope import File, scope_of

_DISPLAYS: Mapping[str, tuple[type[ast.expr], ...]] = {
    "dict": (ast.Dict, ast.DictComp),
    "list": (ast.List, ast.ListComp),
    "set": (ast.Set, ast.SetComp),
    "tuple": (ast.Tuple,),
    "str": (),
    "int": (),
}
# Builtins that make exactly this type, whatever they are given.
_MAKERS: Mapping[str, frozenset[str]] = {
    "dict": frozenset({"dict"}),
    "list": frozenset({"list", "sorted", "dir"}),
    "set": frozenset({"set"}),
    "tuple": frozenset({"tuple"}),
    "str": frozenset({"chr", "hex", "bin", "oct"}),
    "int": frozenset({"int", "len", "ord", "hash", "id"}),
}
_STR_METHODS = frozenset(
    {
        "capitalize",
        "casefold",
        "join",
        "lower",
        "lstrip",
        "replace",
        "rstrip",
        "strip",
        "swapcase",
        "title",
        "upper",
    }
)
_INT_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr, ast.BitXor)
_SCALARS = frozenset({"str", "int"})
PROVABLE = frozenset(_DISPLAYS)


def is_proven(file: File, trail: Trail, name: str, kind: str) -> bool:
    """Tell whether the name, read where the trail ends, is a local that only ever holds exactly a ``kind``."""
    scope = scope_of(trail)
    if scope is None:
        return False
    key = ("proven", kind, name, id(scope[0]))
    return file.fact(key, lambda: _is_proven(file, scope, name, kind))


def _is_proven(file: File, scope: Trail, name: str, kind: str) -> bool:
    shows = partial(_shows, file, name, kind)
    bound = False
    for mention in file.mentions(name, scope):
        if mention.reads:
            continue
        if mention.node is scope[0] or not _binds_only(mention.trail, kind, shows, file):
            return False
        bound = True
    return bound


def _binds_only(trail: Trail, kind: str, shows: Callable[[ast.expr], bool], file: File) -> bool:
    node = trail[0]
    parent = next(around(trail), None)
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Store):
        return False
    if isinstance(parent, ast.Assign):
        return shows(parent.value)
    if isinstance(parent, ast.AnnAssign):
        return parent.value is None or shows(parent.value)
    if isinstance(parent, ast.AugAssign):
        # Only a display is known to leave the addition to the left side.
        operators = _INT_OPERATORS if kind == "int" else (ast.Add,)
        return kind in {"list", "str", "int"} and isinstance(parent.op, operators) and shows(parent.value)
    if isinstance(parent, ast.For | ast.comprehension):
        return kind == "int" and parent.target is node and _calls(file, parent.iter, frozenset({"range"}))
    return False


def _shows(file: File, name: str, kind: str, value: ast.expr) -> bool:
    """Tell whether an expression makes exactly a ``kind``, given that the name itself, where it occurs, is one."""
    parts = [value]
    # All of them must; expressions may nest deeper than calls can.
    while parts:
        part = parts.pop()
        operands = _operands(kind, part)
        if operands is not None:
            parts += operands
        elif not (
            isinstance(part, _DISPLAYS[kind])
            or _calls(file, part, _MAKERS[kind])
            or (
                kind in _SCALARS
                and (_is_scalar(part, kind) or (isinstance(part, ast.Name) and part.id == name))
            )
        ):
            return False
    return True


def _operands(kind: str, value: ast.expr) -> list[ast.expr] | None:
    """Return what must be of the kind for the whole to be of it; ``None`` where the whole tells by itself."""
    if kind == "str" and isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return [value.func.value] if value.func.attr in _STR_METHODS else None
    operators = {"int": _INT_OPERATORS, "str": (ast.Add,)}.get(kind, ())
    if isinstance(value, ast.BinOp) and isinstance(value.op, operators):
        return [value.left, value.right]
    return None


def _is_scalar(value: ast.expr, kind: str) -> bool:
    if isinstance(value, ast.JoinedStr):
        # One part alone is handed on as its __format__ made it, which may be a subclass.
        return kind == "str" and len(value.values) > 1
    return isinstance(value, ast.Constant) and type(value.value).__name__ == kind


def _calls(file: File, value: ast.expr, names: frozenset[str]) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in names
        and file.leaves_builtin(value.func.id)
    )
