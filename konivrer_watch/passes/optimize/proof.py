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
PROVABLE = frozenset(_DISPLAYS)


def is_proven(file: File, trail: Trail, name: str, kind: str) -> bool:
    """Tell whether the name, read where the trail ends, is a local that only ever holds exactly a ``kind``."""
    scope = scope_of(trail)
    if scope is None:
        return False
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
    if isinstance(value, _DISPLAYS[kind]) or _calls(file, value, _MAKERS[kind]):
        return True
    shows = partial(_shows, file, name, kind)
    if kind == "str":
        return _is_str(value, name, shows)
    if kind == "int":
        if isinstance(value, ast.BinOp) and isinstance(value.op, _INT_OPERATORS):
            return shows(value.left) and shows(value.right)
        return _is_constant(value, int) or (isinstance(value, ast.Name) and value.id == name)
    return False


def _is_str(value: ast.expr, name: str, shows: Callable[[ast.expr], bool]) -> bool:
    if isinstance(value, ast.JoinedStr):
        # One part alone is handed on as its __format__ made it, which may be a subclass.
        return len(value.values) > 1
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr in _STR_METHODS and shows(value.func.value)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return shows(value.left) and shows(value.right)
    return _is_constant(value, str) or (isinstance(value, ast.Name) and value.id == name)


def _is_constant(value: ast.expr, kind: type) -> bool:
    return isinstance(value, ast.Constant) and type(value.value) is kind


def _calls(file: File, value: ast.expr, names: frozenset[str]) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in names
        and file.leaves_builtin(value.func.id)
    )
