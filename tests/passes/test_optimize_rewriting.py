"""Rewrites are proven: what lies outside the edits is the same tree, and in the end nothing is left to do."""

import ast
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Safety, Verdict
from konivrer_watch.passes.optimize.edits import apply_edits, find_difference
from konivrer_watch.passes.optimize.rewriting import Rewriting, rewrite
from konivrer_watch.passes.optimize.source import Source
from tests.passes.pack import engine
from tests.passes.test_optimize_edits import modules, parse, parses

ENGINE = engine()


class Scripted:
    """Answers each question with the next verdict, and the last one for good."""

    def __init__(self, *rounds: Sequence[Edit]) -> None:
        self._rounds = list(rounds)

    def judge(self, data: bytes) -> Verdict:
        edits = self._rounds[0]
        if len(self._rounds) > 1:
            self._rounds.pop(0)
        return Verdict(tuple([finding(edit) for edit in edits]))


def finding(edit: Edit) -> Finding:
    fix = Fix(Safety.AUTO, "", (edit,))
    return Finding(
        edit.line, 1, 1, 1, pass_=Pass.OPTIMIZE, code="OPT1", name="", level=Level.NOTE, message="", fix=fix
    )


def difference(before: str, edits: Sequence[Edit], after: str | None = None) -> str | None:
    source = Source(before)
    text, old, new = apply_edits(source, edits)
    return find_difference(source, Source(after if after is not None else text), old, new)


def on_line(line: int, start: int, end: int, text: str) -> Edit:
    return Edit(line, start + 1, line, end + 1, text)


def test_edits_are_put_in_whatever_their_order_and_the_spans_are_those_of_both_texts() -> None:
    source = Source("a = f(x)\r\n\u00e9 = f(y)\r\n")
    edits = [on_line(2, 4, 8, "yy"), on_line(1, 4, 8, "longer(x)")]
    text, old, new = apply_edits(source, edits)
    assert text == "a = longer(x)\r\n\u00e9 = yy\r\n"
    assert [source.text[slice(*span)] for span in old] == ["f(x)", "f(y)"]
    assert [text[slice(*span)] for span in new] == ["longer(x)", "yy"]


@pytest.mark.parametrize(
    "edits",
    [
        [on_line(1, 0, 5, "x"), on_line(1, 4, 8, "y")],
        [on_line(1, 5, 4, "x")],
        [on_line(9, 0, 1, "x")],
        [Edit(0, 1, 1, 1, "x")],
        [Edit(1, 0, 1, 1, "x")],
        [on_line(1, 90, 91, "x")],
    ],
)
def test_edits_that_overlap_or_lie_outside_are_an_error(edits: list[Edit]) -> None:
    with pytest.raises(ValueError):
        apply_edits(Source("a = f(x)\n"), edits)


BEFORE = "def g(a):\n    x = [a, f(a)]\n    return tuple(x)\n"
EDIT = on_line(2, 12, 16, "h(a)")


def test_a_tree_that_differs_in_the_edits_alone_is_no_difference() -> None:
    assert difference(BEFORE, [EDIT]) is None
    assert difference(BEFORE, [on_line(2, 8, 17, "[*a, f(a, b), {}]")]) is None
    assert difference(BEFORE, []) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [("return tuple", "return list"), ("def g(a)", "def g(b)"), ("x = [a,", "x = [a, a,"), ("x = [", "x += ["),
     ("    return tuple(x)\n", ""), ("    return", "    pass\n    return"), ("tuple(x)", "tuple(x, y)")],
)  # fmt: skip
def test_a_change_anywhere_else_is_a_difference(old: str, new: str) -> None:
    after = apply_edits(Source(BEFORE), [EDIT])[0]
    assert old in after
    shift = len(new) - len(old) if after.index(old) < after.index("h(a)") else 0
    source = Source(BEFORE)
    _, spans, moved = apply_edits(source, [EDIT])
    spots = [(start + shift, end + shift) for start, end in moved]
    told = find_difference(source, Source(after.replace(old, new, 1)), spans, spots)
    assert told is not None and told.startswith("the code outside the edits changes at ")


def test_an_edit_that_reaches_beyond_its_place_is_a_difference() -> None:
    assert difference("r = a * f(b)\n", [on_line(1, 8, 12, "b + c")]) is not None
    assert difference("r = [f(b)]\n", [on_line(1, 5, 9, "b, c")]) is not None
    told = difference("r = f(b)\n", [on_line(1, 4, 8, "b if")])
    assert told is not None and told.startswith("it does not parse any more: ")


def test_several_statements_may_become_one() -> None:
    text = "def f(xs):\n    r = []\n    for x in xs:\n        r.append(x)\n    return r\n"
    assert difference(text, [Edit(2, 5, 4, 20, "r = [x for x in xs]")]) is None
    assert difference(text, [Edit(2, 5, 4, 20, "r = [x for x in xs]\n    s = 1")]) is None
    assert difference(text, [Edit(2, 5, 5, 13, "r = [x for x in xs]")]) is None
    assert difference(text, [Edit(3, 5, 4, 20, "r = [x for x in xs]\nr = 1")]) is not None


def test_rounds_go_on_until_nothing_is_found() -> None:
    inner, outer = on_line(1, 6, 10, "xx"), on_line(1, 4, 5, "h")
    done = rewrite(Scripted([inner], [outer], []), b"r = f(g(x))\n")
    assert done == Rewriting(b"r = h(xx)\n", {"OPT1": 2})


def test_rules_that_undo_each_other_leave_the_file_alone() -> None:
    there, back = on_line(1, 4, 5, "g"), on_line(1, 4, 5, "f")
    done = rewrite(Scripted([there], [back], [there], [back]), b"r = f(x)\n")
    assert done == Rewriting(b"r = f(x)\n", {}, "OPT1 undo each other")


class Growing:
    """Finds something to lengthen each time."""

    def judge(self, data: bytes) -> Verdict:
        end = len(data.rstrip())
        return Verdict((finding(on_line(1, 4, end, data[4:end].decode() + "x")),))


def test_a_rule_that_never_ends_leaves_the_file_alone() -> None:
    done = rewrite(Growing(), b"r = x\n")
    assert done == Rewriting(b"r = x\n", {}, "there is no end to what is found after 200 rounds")


@pytest.mark.parametrize(
    "edits", [[on_line(1, 4, 8, "1; s = 2")], [on_line(1, 4, 8, "(")], [on_line(3, 0, 1, "")],
              [on_line(1, 4, 8, "1"), on_line(1, 5, 6, "2")]]
)  # fmt: skip
def test_a_round_that_is_not_proven_leaves_the_file_alone(edits: list[Edit]) -> None:
    done = rewrite(Scripted(edits), b"r = f(x)\n")
    assert (done.data, done.applied) == (b"r = f(x)\n", {})
    assert done.refusal


def test_only_the_safeties_asked_for_are_applied() -> None:
    data = b"r = tuple(x for x in xs), frozenset(-x for x in xs)\n"
    assert rewrite(ENGINE, data).applied == {"OPT102": 1}
    assert rewrite(ENGINE, data, (Safety.OPT_IN,)).applied == {"OPT201": 1}
    assert rewrite(ENGINE, data, ()).data == data


def test_bytes_keep_their_encoding_mark_and_line_endings() -> None:
    for data in (
        b"\xef\xbb\xbfr = 'x', tuple(x for x in xs)\r\n",
        b"# coding: latin-1\rr = '\xe9', tuple(x for x in xs)\r",
    ):
        assert rewrite(ENGINE, data).data == data.replace(b"(x for x in xs)", b"([x for x in xs])")


def test_a_file_that_does_not_parse_is_left_alone() -> None:
    done = rewrite(ENGINE, b"r = (\n")
    assert (done.data, done.refusal) == (b"r = (\n", "cannot be parsed: line 1: '(' was never closed")


@settings(max_examples=200, deadline=None)
@given(modules().filter(parses))
def test_every_edit_of_the_whole_pack_is_proven_on_generated_modules(text: str) -> None:
    done = rewrite(ENGINE, text.encode(), tuple(Safety))
    assert done.refusal is None
    parse(done.data.decode())


@settings(max_examples=150, deadline=None)
@given(modules().filter(parses), st.data())
def test_an_edit_put_beside_a_node_never_passes_for_a_good_one(text: str, data: st.DataObject) -> None:
    """Replace a span of some expression by other code: either the tree outside is the same, or it is told."""
    source = Source(text)
    nodes = [
        node
        for node in ast.walk(parse(text))
        if isinstance(node, ast.expr) and node.end_lineno == node.lineno
    ]
    assume(nodes)
    node = data.draw(st.sampled_from(nodes))
    start, end = source.span(node)
    put = data.draw(st.sampled_from(["y", "y, y", "y + y", "(y)", "y if y else y", "lambda: y", ""]))
    edit = Edit(*source.place(start), *source.place(end), put)
    after, old, new = apply_edits(source, [edit])
    told = find_difference(source, Source(after), old, new)
    if told is None:
        masked = (
            ast.dump(parse(text[:start] + "(MASK)" + text[end:]))
            if parses(text[:start] + "(MASK)" + text[end:])
            else None
        )
        again = after[: new[0][0]] + "(MASK)" + after[new[0][1] :]
        assert masked is None or ast.dump(parse(again)) == masked
