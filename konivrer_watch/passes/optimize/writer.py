"""Writes a match anew by splicing source text, or refuses where that could lose or break something."""

import ast
import re
import warnings
from bisect import bisect_left, bisect_right

import msgspec

from konivrer_watch.passes.optimize.nodes import same
from konivrer_watch.passes.optimize.places import Found
from konivrer_watch.passes.optimize.rule import Rule
from konivrer_watch.passes.optimize.source import Source
from konivrer_watch.passes.optimize.template import SLOT, Template

_ATOMS = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call, ast.List, ast.Dict, ast.Set,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.JoinedStr,
)  # fmt: skip
_BEGINS_WORD = re.compile(r"[\w\"']")
_WORD = re.compile(r"\w")

_Span = tuple[int, int]


class Hit(msgspec.Struct, frozen=True):
    """A rule that matched, and where in the text.

    Inside an f-string the offsets are those of the whole f-string, because before Python 3.12 the nodes
    in it carry places that are not the file's.
    """

    rule: Rule
    found: Found
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

    def write(self, hit: Hit, template: Template) -> str:
        """Return the text that replaces the match; ``RefusedError`` says why there is none."""
        text = self._source.text
        if hit.in_fstring:
            raise RefusedError("it stands inside an f-string")
        self._refuse_overlap(hit)
        if not self._reads_as(text[hit.start : hit.end], hit, list(hit.found.parts)):
            raise RefusedError("its place in the text is uncertain")
        new, kept = self._render(hit, template)
        self._keep_comments(hit, kept)
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

    def _render(self, hit: Hit, template: Template) -> tuple[str, list[_Span]]:
        kept: list[_Span] = []

        def fill(slot: re.Match[str]) -> str:
            filled, spans = self._part(hit, slot[1], slot[2])
            kept.extend(spans)
            return filled

        new = SLOT.sub(fill, template.text)
        try:
            wanted = template.build(hit.found.captures)
        except ValueError as error:
            raise RefusedError(str(error)) from error
        if not self._reads_as(new, hit, [wanted]):
            raise RefusedError("the rewritten text does not parse as it should")
        return new, kept

    def _part(self, hit: Hit, name: str, part: str | None) -> tuple[str, list[_Span]]:
        capture = hit.found.captures[name]
        if isinstance(capture, tuple):
            return self._rest(capture)
        start, end = self._source.span(capture)
        text = self._source.text[start:end]
        if part in {"inner", "pairs"}:
            if text[:1] + text[-1:] not in {"()", "[]", "{}"} or not hasattr(capture, "generators"):
                raise RefusedError("the generator has no brackets of its own")
            if part == "inner":
                return text[1:-1], [(start, end)]
            return self._pairs(capture, end - 1)
        bare = part == "bare" or (isinstance(capture, _ATOMS) and "\n" not in text and "\r" not in text)
        return (text if bare else f"({text})"), [(start, end)]

    def _pairs(self, comprehension: ast.expr, end: int) -> tuple[str, list[_Span]]:
        element = getattr(comprehension, "elt", None)
        if not isinstance(element, ast.Tuple) or len(element.elts) != 2:
            raise RefusedError("its element is no pair")
        key, value = (self._source.span(part) for part in element.elts)
        clauses = (self._source.span(element)[1], end)
        text = self._source.text
        said = text[slice(*clauses)]
        gap = " " if _WORD.match(said) else ""
        return f"{text[slice(*key)]}: {text[slice(*value)]}{gap}{said}", [key, value, clauses]

    def _rest(self, capture: tuple[ast.AST, ...]) -> tuple[str, list[_Span]]:
        spans = [self._source.span(part) for part in capture if isinstance(part, ast.expr | ast.keyword)]
        if not spans:
            return "", []
        start, end = min(spans)[0], max(spans)[1]
        return f", {self._source.text[start:end]}", [(start, end)]

    def _keep_comments(self, hit: Hit, kept: list[_Span]) -> None:
        if "#" not in self._source.text[hit.start : hit.end]:
            return
        comments = self._source.comments
        if comments is None:
            raise RefusedError("the comments in it cannot be told apart")
        for start, end in comments[bisect_right(comments, (hit.start, -1)) :]:
            if start >= hit.end:
                break
            if not any(first <= start and end <= last for first, last in kept):
                raise RefusedError(f"it would lose the comment in line {self._source.place(start)[0]}")

    def _reads_as(self, text: str, hit: Hit, wanted: list[ast.AST]) -> bool:
        """Tell whether a text, put at the match's place, is exactly these nodes."""
        if isinstance(hit.found.parts[0], ast.expr):
            # Brackets make line breaks harmless.
            body = _parse(f"(\n{text}\n)")
            return len(body) == 1 and isinstance(body[0], ast.Expr) and same([body[0].value], wanted)
        indent = self._source.before(hit.start)
        if not indent:
            return same(_parse(text), wanted)
        # Behind another statement of its line it cannot be a block, and needs no indentation of its own.
        body = _parse(f"if x:\n{indent if indent.isspace() else ' '}{text}\n")
        return len(body) == 1 and isinstance(body[0], ast.If) and same(list(body[0].body), wanted)


def _parse(text: str) -> list[ast.stmt]:
    # One level more may exceed the depth that the whole file just kept.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text).body
    except (SyntaxError, RecursionError, MemoryError):
        return []
