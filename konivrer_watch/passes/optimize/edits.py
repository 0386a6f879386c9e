"""Edits on a text: putting them in, and the proof that nothing outside of them changed."""

import ast
import warnings
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from konivrer_watch.core.model import Edit
from konivrer_watch.passes.optimize.nodes import compared_fields, is_string_of_code
from konivrer_watch.passes.optimize.source import Source

_Span = tuple[int, int]
_END = object()


def apply_edits(source: Source, edits: Sequence[Edit]) -> tuple[str, list[_Span], list[_Span]]:
    """Return the new text, and for each edit, in the order of the text, its span in the old and in the new one.

    ``ValueError`` where edits overlap, reach out of the text or change nothing's place.
    """
    pieces: list[str] = []
    old: list[_Span] = []
    new: list[_Span] = []
    reached, length = 0, 0
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.column)):
        start, end = source.at(edit.line, edit.column), source.at(edit.end_line, edit.end_column)
        if not reached <= start <= end:
            raise ValueError(f"the edit in line {edit.line} overlaps another")
        length += start - reached
        pieces += (source.text[reached:start], edit.text)
        old.append((start, end))
        new.append((length, length + len(edit.text)))
        reached, length = end, length + len(edit.text)
    return "".join([*pieces, source.text[reached:]]), old, new


def find_difference(before: Source, after: Source, old: Sequence[_Span], new: Sequence[_Span]) -> str | None:
    """Return where the trees of two texts differ outside the spans of edits; ``None`` where they are identical.

    The first text must parse, for it was judged; where the second does not, that is the difference.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trees = before.parse(), ast.parse(after.text)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        return f"it does not parse any more: {error}"
    pairs = zip_longest(_outline(before, trees[0], old), _outline(after, trees[1], new), fillvalue=_END)
    for one, other in pairs:
        if type(one) is not type(other) or one != other:
            return f"the code outside the edits changes at {_shown(one)}, which becomes {_shown(other)}"
    return None


def _outline(source: Source, tree: ast.Module, spans: Sequence[_Span]) -> Iterator[object]:
    """Yield a tree's shape from the outside in; what lies in a span is one mark."""
    stack: list[tuple[object, bool]] = [(tree, False)]
    marked = -1
    while stack:
        node, in_string = stack.pop()
        if not isinstance(node, ast.AST):
            marked = -1
            yield node
            continue
        index = -1 if in_string else _span_of(source, node, spans)
        if index >= 0:
            # Several statements may become one, or one several; an expression becomes one expression.
            if index != marked or isinstance(node, ast.expr):
                yield ("edit", index)
            marked = index
            continue
        marked = -1
        yield type(node).__name__
        in_string = in_string or is_string_of_code(node)
        for field in reversed(compared_fields(type(node))):
            value = getattr(node, field, None)
            parts = value if isinstance(value, list) else [value]
            stack.append((("end", field), in_string))
            stack.extend([(part, in_string) for part in reversed(parts)])


def _span_of(source: Source, node: ast.AST, spans: Sequence[_Span]) -> int:
    if not spans or not isinstance(node, ast.expr | ast.stmt) or node.end_lineno is None:
        return -1
    start, end = source.span(node)
    low, high = 0, len(spans)
    while low < high:
        middle = (low + high) // 2
        if spans[middle][1] <= start:
            low = middle + 1
        else:
            high = middle
    return low if low < len(spans) and spans[low][0] <= start and end <= spans[low][1] else -1


def _shown(part: object) -> str:
    return "the end" if part is _END else repr(part)[:60]
