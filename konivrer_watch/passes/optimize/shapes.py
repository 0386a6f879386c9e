"""What ``where`` may ask of a captured part by itself, whatever stands around it."""

import ast
from collections.abc import Callable, Iterator, Mapping

from konivrer_watch.passes.optimize.matchers import Capture

_FRAME_NAMES = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "super", "__class__", "_getframe", "currentframe", "stack"}
)
_STOP_NAMES = frozenset({"next", "anext", "__next__", "send", "throw", "StopIteration"})
_EFFECTS = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
_LATE = (ast.Lambda, ast.GeneratorExp)
_REGEX = frozenset(".^$*+?{}[]\\|()")
_TEXT_METHODS = frozenset({"format", "join", "replace", "strip", "lower", "upper", "encode", "decode"})


def nodes_of(capture: Capture) -> Iterator[ast.AST]:
    """Yield a captured part's nodes, all the way down."""
    for part in capture if isinstance(capture, tuple) else (capture,):
        yield from ast.walk(part)


def names_of(capture: Capture) -> frozenset[str]:
    """Return every name that is read or bound in a captured part."""
    return frozenset([node.id for node in nodes_of(capture) if isinstance(node, ast.Name)])


def is_literal(capture: Capture, kind: str) -> bool:
    """Tell whether a part is a literal of the type of this name."""
    return isinstance(capture, ast.Constant) and type(capture.value).__name__ == kind


def makes(capture: Capture, kind: str) -> bool:
    """Tell whether an expression plainly makes a ``str`` or ``bytes``: a literal, or what is built on one."""
    parts: list[object] = [capture]
    # By the left side, however long a sum is, then by the right one.
    while parts:
        part = parts.pop()
        if isinstance(part, ast.JoinedStr):
            return kind == "str"
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            parts += [part.right, part.left]
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod):
            parts.append(part.left)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            if part.func.attr in _TEXT_METHODS:
                parts.append(part.func.value)
        elif _is_call_of(part, kind) or (
            isinstance(part, ast.Constant) and type(part.value).__name__ == kind
        ):
            return True
    return False


def _is_call_of(part: object, name: str) -> bool:
    return isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == name


def calls(capture: Capture, names: frozenset[str]) -> bool:
    """Tell whether a part calls a function or method of one of these names."""
    return any(
        isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in names)
            or (isinstance(node.func, ast.Attribute) and node.func.attr in names)
        )
        for node in nodes_of(capture)
    )


def _names_any(capture: Capture, names: frozenset[str]) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
        for node in nodes_of(capture)
    )


def _holds_none(kinds: tuple[type[ast.AST], ...]) -> Callable[[Capture], bool]:
    return lambda capture: not any(isinstance(node, kinds) for node in nodes_of(capture))


def _no_async(capture: Capture) -> bool:
    return not any(
        isinstance(node, ast.Await) or (isinstance(node, ast.comprehension) and node.is_async)
        for node in nodes_of(capture)
    )


def _pairs(capture: Capture) -> bool:
    element = getattr(capture, "elt", None)
    return (
        isinstance(element, ast.Tuple)
        and len(element.elts) == 2
        and not any(isinstance(part, ast.Starred) for part in element.elts)
    )


def _simple(capture: Capture) -> bool:
    return all(
        isinstance(part, ast.Name | ast.Constant)
        or (isinstance(part, ast.keyword) and part.arg is not None and _plain(part.value))
        for part in (capture if isinstance(capture, tuple) else (capture,))
    )


def _plain(value: ast.expr) -> bool:
    if isinstance(value, ast.Lambda):
        return not value.args.defaults and not any(value.args.kw_defaults)
    return isinstance(value, ast.Name | ast.Constant)


def _targets(capture: Capture) -> bool:
    if isinstance(capture, ast.Tuple | ast.List):
        return all(_targets(part) for part in capture.elts)
    if isinstance(capture, ast.Starred):
        return _targets(capture.value)
    return isinstance(capture, ast.Name)


def _plain_regex(capture: Capture) -> bool:
    value = capture.value if isinstance(capture, ast.Constant) else None
    return isinstance(value, str) and value != "" and not _REGEX & set(value)


def _one_char(capture: Capture) -> bool:
    value = capture.value if isinstance(capture, ast.Constant) else None
    return isinstance(value, str) and len(value) == 1


def _gets_item(capture: Capture) -> bool:
    if not isinstance(capture, ast.Lambda) or not isinstance(capture.body, ast.Subscript):
        return False
    names = [argument.arg for argument in (*capture.args.posonlyargs, *capture.args.args)]
    others = (capture.args.vararg, capture.args.kwarg, *capture.args.kwonlyargs, *capture.args.defaults)
    value = capture.body.value
    return (
        len(names) == 1 and not any(others) and isinstance(value, ast.Name) and value.id == names[0]
        and isinstance(capture.body.slice, ast.Constant)
    )  # fmt: skip


SHAPES: Mapping[str, Callable[[Capture], bool]] = {
    "gets_item": _gets_item,
    "name": lambda capture: isinstance(capture, ast.Name),
    "no_async": _no_async,
    "no_effects": _holds_none(_EFFECTS),
    "no_frame_calls": lambda capture: not _names_any(capture, _FRAME_NAMES),
    "no_late": _holds_none(_LATE),
    "no_next": lambda capture: not _names_any(capture, _STOP_NAMES),
    "one_char": _one_char,
    "pairs": _pairs,
    "plain_regex": _plain_regex,
    "simple": _simple,
    "sync_gen": lambda capture: isinstance(capture, ast.GeneratorExp) and _no_async(capture),
    "targets": _targets,
}
