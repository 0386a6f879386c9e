"""Writes a match anew by splicing source text, or refuses where that could lose or break something."""

import ast
import re
import warnings
from bisect import bisect_left, bisect_right

import msgspec

from konivrer_watch.passes.optimize.pattern import Captures, same
from konivrer_watch.passes.optimize.rule import SLOT, Rule
from konivrer_watch.passes.optimize.source import Source

_ATOMS = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call, ast.List, ast.Dict, ast.Set,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.JoinedStr,
)  # fmt: skip
_BEGINS_WORD = re.compile(r"[\w\"']")
_WORD = re.compile(r"\w")


class Hit(msgspec.Struct, frozen=True):
    """A rule that matched, what it captured, and where in the text.

    Inside an f-string the offsets are those of the whole f-string, because before Python 3.12 the nodes
    in it carry places that are not the file's.
    """

    rule: Rule
    node: ast.expr
    captures: Captures
    start: int
    end: int
    in_fstring: bool


class RefusedError(Exception):
    """Why a match is not rewritten, in words for its finding."""


class Writer:
    """Renders the edits of one file, none of which overlaps an earlier one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._starts: list[int] = []
        self._written: list[Hit] = []

    def write(self, hit: Hit, template: str) -> str:
        """Return the text that replaces the match; ``RefusedError`` says why there is none."""
        text = self._source.text
        if hit.in_fstring:
            raise RefusedError("it stands inside an f-string")
        self._refuse_overlap(hit)
        if not _reads_as(text[hit.start : hit.end], hit.node):
            raise RefusedError("its place in the text is uncertain")
        self._keep_comments(hit, template)
        new = SLOT.sub(lambda slot: self._part(hit.captures[slot[1]], slot[2]), template)
        if _expression(new) is None:
            raise RefusedError("the rewritten text does not parse")
        if _WORD.match(text[max(hit.start - 1, 0) : hit.start]) and _BEGINS_WORD.match(new):
            new = f" {new}"
        if _WORD.match(new[-1:]) and _WORD.match(text[hit.end : hit.end + 1]):
            new = f"{new} "
        index = bisect_left(self._starts, hit.start)
        self._starts.insert(index, hit.start)
        self._written.insert(index, hit)
        return new

    def _refuse_overlap(self, hit: Hit) -> None:
        # Written spans are disjoint, so only the last that begins before this one's end can reach into it.
        index = bisect_left(self._starts, hit.end) - 1
        if index >= 0 and self._written[index].end > hit.start:
            other = self._written[index]
            line = self._source.place(other.start)[0]
            raise RefusedError(f"it overlaps the rewrite of {other.rule.id} in line {line}")

    def _part(self, node: ast.expr, part: str | None) -> str:
        start, end = self._source.span(node)
        text = self._source.text[start:end]
        if part == "inner":
            if not isinstance(node, ast.GeneratorExp) or text[:1] != "(" or text[-1:] != ")":
                raise RefusedError("the generator has no brackets of its own")
            return text[1:-1]
        bare = isinstance(node, _ATOMS) and "\n" not in text and "\r" not in text
        return text if bare else f"({text})"

    def _keep_comments(self, hit: Hit, template: str) -> None:
        if "#" not in self._source.text[hit.start : hit.end]:
            return
        comments = self._source.comments
        if comments is None:
            raise RefusedError("the comments in it cannot be told apart")
        kept = [self._source.span(hit.captures[name]) for name, _ in SLOT.findall(template)]
        for start, end in comments[bisect_right(comments, (hit.start, -1)) :]:
            if start >= hit.end:
                break
            if not any(first <= start and end <= last for first, last in kept):
                raise RefusedError(f"it would lose the comment in line {self._source.place(start)[0]}")


def _expression(text: str) -> ast.expr | None:
    # Brackets make line breaks harmless; one pair more may exceed the depth that the whole file just kept.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(f"(\n{text}\n)", mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        return None


def _reads_as(text: str, node: ast.expr) -> bool:
    expression = _expression(text)
    return expression is not None and same(expression, node)
