"""Edits are sound on generated modules: they re-parse, change nothing else, lose no comment, and settle."""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.core.model import Edit, Finding, Verdict
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings

RULES = {
    file.name: file.read_bytes()
    for file in sorted((Path(__file__).parents[2] / "rules" / "optimize").glob("OPT10[1-5]-*.toml"))
}
ENGINE = OptimizeEngine(RULES, OptimizeSettings())
Span = tuple[int, int, int, int]


def edits_of(verdict: Verdict) -> list[Edit]:
    return [edit for finding in verdict.findings if finding.fix for edit in finding.fix.edits]


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Apply edits with an arithmetic of their own; edits that overlap are an error."""
    starts = [0] + [found.end() for found in re.finditer(r"\r\n|\r|\n", text)]
    upper = len(text) + 1
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.column), reverse=True):
        start = starts[edit.line - 1] + edit.column - 1
        end = starts[edit.end_line - 1] + edit.end_column - 1
        assert 0 <= start < end < upper, "edits must not overlap and must lie in the text"
        upper = start + 1
        text = text[:start] + edit.text + text[end:]
    return text


def parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def parses(text: str) -> bool:
    try:
        parse(text)
    except SyntaxError:
        return False
    return True


class _Expected(ast.NodeTransformer):
    """Builds the tree that the findings promise, from the tree before."""

    def __init__(self, text: str, findings: Sequence[Finding]) -> None:
        self._lines = re.split(r"\r\n|\r|\n", text)
        self._codes = {
            (found.line, found.column, found.end_line, found.end_column): found.code
            for found in findings
            if found.fix
        }

    def visit_Call(self, node: ast.Call) -> ast.AST:
        code = self._codes.pop(self._span(node), None)
        if code is None:
            return self.generic_visit(node)
        generator = node.args[0]
        assert isinstance(generator, ast.GeneratorExp)
        built = ast.ListComp(generator.elt, generator.generators)
        if code == "OPT105":
            return built
        if code == "OPT103":
            return ast.SetComp(generator.elt, generator.generators)
        return ast.Call(node.func, [built], [])

    def finish(self, tree: ast.Module) -> str:
        dumped = ast.dump(self.visit(tree))
        assert not self._codes, "every edit covers exactly one call"
        return dumped

    def _span(self, node: ast.expr) -> Span:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            node.lineno, self._column(node.lineno, node.col_offset),
            node.end_lineno, self._column(node.end_lineno, node.end_col_offset),
        )  # fmt: skip

    def _column(self, line: int, byte_column: int) -> int:
        return len(self._lines[line - 1].encode()[:byte_column].decode(errors="replace")) + 1


def comments_of(text: str) -> list[str]:
    lines = io.StringIO(re.sub(r"\r\n?", "\n", text))
    return [
        token.string for token in tokenize.generate_tokens(lines.readline) if token.type == tokenize.COMMENT
    ]


def assert_sound(text: str) -> None:
    """Apply edits until none is offered; each round must be exactly what its findings promise."""
    for _ in range(12):
        verdict = ENGINE.judge(text.encode())
        assert verdict.problem is None
        edits = edits_of(verdict)
        if not edits:
            return
        after = apply_edits(text, edits)
        assert ast.dump(parse(after)) == _Expected(text, verdict.findings).finish(parse(text))
        assert comments_of(after) == comments_of(text)
        text = after
    raise AssertionError("the edits do not settle")


_gap = st.sampled_from(
    ["", "", " ", "\n", "\n  ", "\f", "  # note\n", "\n\t# \u00e9 tuple(x for x in xs)\n", "\\\n"]
)
_leaf = st.sampled_from(
    ["x", "xs", "1", "'\u00e9'", "'# no comment'", "'''\n#'''", "\u03bb",
     "f'{x}'", "f\"{tuple(x for x in xs)!r:>{set(y for y in x)}}\"", "lambda: x", "(y := x)", "next(x)",
     "','.join(xs)", "{**x}", "b'\\xff'", "...", "(yield)", "await x"]
)  # fmt: skip
_callee = st.sampled_from(
    ["tuple", "set", "list", "sorted", "','.join", "('a' 'b').join", "('\u00e9'\n'b').join", "u''.join",
     "(tuple)", "m.tuple", "x.join", "sum", "'\U0001f40d#'.join", "('a'  # kept\n).join"]
)  # fmt: skip
_call = st.sampled_from(
    [
        "{callee}({a}{one}{b} for{c} x in {two}{d})",
        "{callee}({a}({one}{b} for x in {two} if {c}{one} for y in x{d}))",
        "{callee}((x for x in {two}){a},{b})",
        "{callee}({a}{one} for x, *y in {two} if{b}({c}x{d}))",
        "{callee}(({one} for x in {two}),{a}key=x)",
        "{callee}({a}[{one},{b}{two}]{c})",
        "{callee}(({a}lambda{b}: {one}{c}){d} for x in {two})",
        "[{one}{a} async for x in {two}]",
        "{callee}({one} for x in {two}){a_}.y",
    ]
)
_statement = st.sampled_from(
    ["r = {e}", "{e}", "{e}; s = {e}", "if {e}:\n    pass", "def g():\n    return({e})",
     "class C:\n\tv = {e}", "async def h():\n    return {e}", "@{e}\ndef d(): pass", "x = 1if({e})else({e})",
     "x = x in({e})", "assert not({e}), {e}", "with {e} as q: pass", "del {e}[0]", "x: {e} = {e}",
     "for x in {e}: pass  # end", "\f\nx = {e}", "print({e}, *{e}, k={e})", "x = { {e}: {e}, **{e} }",
     "f'{x}', {e}", "from m import *", "tuple = {e}", "def list(x): return {e}", "'''doc\n\u00e9''', {e}"]
)  # fmt: skip


@st.composite
def _calls(draw: st.DrawFn, children: st.SearchStrategy[str]) -> str:
    gaps = {key: draw(_gap) for key in "abcd"}
    return draw(_call).format(
        callee=draw(_callee),
        one=draw(children),
        two=draw(children),
        a_=draw(st.sampled_from(["", " "])),
        **gaps,
    )


EXPRESSIONS = st.recursive(_leaf, lambda children: _calls(children), max_leaves=6)


@st.composite
def modules(draw: st.DrawFn) -> str:
    statements = [draw(_statement).replace("{e}", draw(EXPRESSIONS)) for _ in range(draw(st.integers(1, 4)))]
    return re.sub("\n", draw(st.sampled_from(["\n", "\r\n", "\r"])), "\n".join(statements) + "\n")


@settings(max_examples=400, deadline=None)
@given(modules().filter(parses))
def test_edits_give_exactly_the_promised_tree_keep_comments_and_settle(text: str) -> None:
    assert_sound(text)


@settings(max_examples=150, deadline=None)
@given(modules().filter(parses))
def test_a_tree_handed_in_gives_the_verdict_of_the_bytes_alone(text: str) -> None:
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
        assert ENGINE.judge(data, tree) == ENGINE.judge(data)


@settings(max_examples=150, deadline=None)
@given(modules().filter(parses))
def test_a_byte_order_mark_moves_nothing(text: str) -> None:
    assert ENGINE.judge(b"\xef\xbb\xbf" + text.encode()) == ENGINE.judge(text.encode())


@settings(max_examples=150, deadline=None)
@given(modules().filter(parses))
def test_line_endings_move_nothing(text: str) -> None:
    unix = re.sub(r"\r\n?", "\n", text)
    places = [
        [
            (edit.line, edit.column, edit.end_line, edit.end_column)
            for edit in edits_of(ENGINE.judge(data.encode()))
        ]
        for data in (unix, unix.replace("\n", "\r\n"), unix.replace("\n", "\r"))
    ]
    assert places[0] == places[1] == places[2]


def test_nested_matches_are_rewritten_from_the_outside_in() -> None:
    text = "r = tuple(set(list(z for z in y) for y in x) for x in xs)\n"
    verdict = ENGINE.judge(text.encode())
    assert [bool(found.fix) for found in verdict.findings] == [True, False, False]
    assert verdict.findings[1].message.endswith("not rewritten: it overlaps the rewrite of OPT102 in line 1")
    once = apply_edits(text, edits_of(verdict))
    twice = apply_edits(once, edits_of(ENGINE.judge(once.encode())))
    thrice = apply_edits(twice, edits_of(ENGINE.judge(twice.encode())))
    assert thrice == "r = tuple([{[z for z in y] for y in x} for x in xs])\n"
    assert ENGINE.judge(thrice.encode()) == Verdict()


def test_a_comment_beside_a_match_does_not_stand_in_its_way() -> None:
    text = "# before\nr = tuple('#' for x in xs)  # after\n"
    after = apply_edits(text, edits_of(ENGINE.judge(text.encode())))
    assert after == "# before\nr = tuple(['#' for x in xs])  # after\n"


def broken_tokenizer(_: object) -> Iterator[tokenize.TokenInfo]:
    raise tokenize.TokenError("no")


def shifted_tokenizer(_: object) -> Iterator[tokenize.TokenInfo]:
    yield tokenize.TokenInfo(tokenize.COMMENT, "# c", (1, 0), (1, 3), "")


@pytest.mark.parametrize("tokenizer", [broken_tokenizer, shifted_tokenizer])
def test_comments_that_the_tokenizer_cannot_place_are_kept_by_refusing(
    tokenizer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenize, "generate_tokens", tokenizer)
    (finding,) = ENGINE.judge(b"r = tuple(x for x in xs  # c\n)").findings
    assert finding.fix is None
    assert finding.message.endswith("; not rewritten: the comments in it cannot be told apart")


def test_words_beside_an_edit_stay_apart() -> None:
    text = "def f():\n    return('a').join(x for x in xs)if(b)else(c)\n"
    after = apply_edits(text, edits_of(ENGINE.judge(text.encode())))
    assert after == "def f():\n    return 'a'.join([x for x in xs])if(b)else(c)\n"
