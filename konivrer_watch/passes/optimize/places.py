"""What ``where`` may ask of a match's place: what is around it, and who else uses its names."""

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from konivrer_watch.passes.optimize.matchers import Capture, Captures
from konivrer_watch.passes.optimize.nodes import Trail, around, same
from konivrer_watch.passes.optimize.scope import File, Mention, function_of, lies_in, scope_of
from konivrer_watch.passes.optimize.shapes import names_of

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HANDLERS = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LATE = (ast.Lambda, ast.GeneratorExp)


class Found(msgspec.Struct, frozen=True):
    """A pattern that matched in a file: its parts, what they hold, and the trail to the part it was found by."""

    file: File
    trail: Trail
    parts: tuple[ast.AST, ...]
    captures: Captures

    def holds(self, mention: Mention) -> bool:
        """Tell whether a mention of a name lies in the match."""
        return any(lies_in(mention.trail, part) for part in self.parts)


def private(found: Found, capture: Capture) -> bool:
    """Tell whether names are locals of the function around the match that no other scope can see."""
    scope = scope_of(found.trail)
    return scope is not None and all(_is_private(found.file, name, scope) for name in names_of(capture))


def unused_outside(found: Found, capture: Capture) -> bool:
    """Tell whether no place of the function (or file) outside the match reads or deletes these names."""
    return all(found.holds(mention) for mention in _uses(found, capture))


def unread(found: Found, capture: Capture) -> bool:
    """Tell whether no place of the function (or file) reads or deletes these names."""
    return next(_uses(found, capture), None) is None


def only_indexes(found: Found, index: Capture, sequence: Capture) -> bool:
    """Tell whether a name serves only to read items of the sequence, which nothing in the match binds anew."""
    scope = scope_of(found.trail)
    rebinds = any(
        found.holds(mention) for name in names_of(sequence) for mention in found.file.bindings(name, scope)
    )
    if rebinds or not isinstance(index, ast.Name) or not isinstance(sequence, ast.expr):
        return False
    start = scope[0] if scope else found.file.tree
    return found.file.fact(
        ("indexes", index.id, ast.dump(sequence), id(start)),
        lambda: all(_is_item(use, sequence) for use in _uses(found, index)),
    )


def _is_private(file: File, name: str, scope: Trail) -> bool:
    return file.fact(
        ("private", name, id(scope[0])),
        lambda: all(_is_seen_from(scope[0], mention) for mention in file.mentions(name, scope)),
    )


def _is_seen_from(function: ast.AST, mention: Mention) -> bool:
    """Tell whether a mention is the function's own, at the time that it runs."""
    if mention.function is not function or isinstance(mention.node, ast.Global | ast.Nonlocal):
        return False
    for node in around(mention.trail):
        if node is function:
            break
        if isinstance(node, _LATE):
            return False
    return True


def _uses(found: Found, capture: Capture) -> Iterator[Mention]:
    scope = scope_of(found.trail)
    for name in names_of(capture):
        if not found.file.fact(
            ("unused", name, id(scope[0] if scope else None)), partial(_none_used, found, name)
        ):
            yield from filter(_is_use, found.file.mentions(name, scope))


def _none_used(found: Found, name: str) -> bool:
    return not any(map(_is_use, found.file.mentions(name, scope_of(found.trail))))


def _is_use(mention: Mention) -> bool:
    parent = next(around(mention.trail), None)
    if isinstance(mention.node, ast.Name) and isinstance(mention.node.ctx, ast.Store):
        return isinstance(parent, ast.AugAssign)
    return not isinstance(mention.node, ast.arg)


def _is_item(use: Mention, sequence: ast.expr) -> bool:
    parent = next(around(use.trail), None)
    return (
        isinstance(parent, ast.Subscript)
        and parent.slice is use.node
        and isinstance(parent.ctx, ast.Load)
        and same(parent.value, sequence)
    )


def _membership(found: Found) -> bool:
    node, parent = found.trail[0], next(around(found.trail), None)
    return (
        isinstance(parent, ast.Compare)
        and parent.comparators[-1] is node
        and isinstance(parent.ops[-1], ast.In | ast.NotIn)
    )


def _in_loop(found: Found) -> bool:
    inner = found.trail[0]
    for node in around(found.trail):
        if isinstance(node, _SCOPES):
            return False
        if isinstance(node, ast.While) and inner is node.test:
            return True
        if isinstance(node, _LOOPS) and found.file.index_in(node.body, inner) is not None:
            return True
        if isinstance(node, _COMPREHENSIONS) and inner is not node.generators[0]:
            return True
        inner = node
    return False


def _no_handlers(found: Found) -> bool:
    function = function_of(found.trail)
    for node in around(found.trail):
        if node is function:
            return True
        if isinstance(node, _HANDLERS):
            return False
    return False


def _mentions_none(found: Found, one: Capture, other: Capture) -> bool:
    return not names_of(one) & names_of(other)


PLACES: Mapping[str, Callable[[Found], bool]] = {
    "in_loop": _in_loop,
    "membership": _membership,
    "no_handlers": _no_handlers,
}
NAMES: Mapping[str, Callable[[Found, Capture], bool]] = {
    "private": private,
    "unread": unread,
    "unused_outside": unused_outside,
}
TWO: Mapping[str, Callable[[Found, Capture, Capture], bool]] = {
    "absent": _mentions_none,
    "only_indexes": only_indexes,
}
