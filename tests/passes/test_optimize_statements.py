"""Statements, rests and alternatives: what a pattern of them matches, and how its rewrite is spliced."""

import pytest

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.rewriting import rewrite
from tests.passes.test_optimize_edits import apply_edits, edits_of
from tests.passes.test_optimize_engine import PLAIN, plain


def statement(
    pattern: str, template: str | None, where: str = "", kind: str = "statement", code: str = "OPT901"
) -> OptimizeEngine:
    rewritten = f"rewrite = {{ template = '{template}', safety = 'auto' }}" if template else ""
    text = PLAIN.format(code=code, python=">=3.11", pattern="X", rewrite=rewritten)
    shown = pattern if pattern.startswith("[") else f"'''\n{pattern}'''"
    table = f"[match]\nkind = '{kind}'\npattern = {shown}\nwhere = [{where}]\n"
    return OptimizeEngine(
        {
            "r.toml": text.replace("match = { pattern = 'X' }\n", "")
            .replace("[[examples.match]]", f"{table}[[examples.match]]", 1)
            .encode()
        },
        OptimizeSettings(),
    )


def after(engine: OptimizeEngine, text: str) -> str:
    verdict = engine.judge(text.encode())
    assert verdict.problem is None
    once = apply_edits(text, edits_of(verdict))
    done = rewrite(engine, text.encode(), tuple(Safety))
    assert done.refusal is None
    return once


CALL = statement("f($X)\n", "g(${X})")
PAIR = statement("$A = []\n$A.append($B)\n", "${A} = [${B.bare}]")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("f(x)\n", "g(x)\n"), ("f(x)", "g(x)"), ("(f(x))\n", "g(x)\n"), ("f(x); f(y)\n", "g(x); g(y)\n"),
        ("if x: f(x)\n", "if x: g(x)\n"), ("if x:\n\tf(x) # end\n", "if x:\n\tg(x) # end\n"),
        ("try: pass\nexcept E: f(x)\nelse: f(y)\nfinally: f(z)\n",
         "try: pass\nexcept E: g(x)\nelse: g(y)\nfinally: g(z)\n"),
        ("match x:\n  case 1:\n    f(x)\n", "match x:\n  case 1:\n    g(x)\n"), ("f(\n  x,\n)\n", "g(x)\n"),
        ("class C:\n  f(x)\n", "class C:\n  g(x)\n"), ("if x: y; f(x)\n", "if x: y; g(x)\n"),
        ("if x:\r\n    f('''\r\n''')\r\n", "if x:\r\n    g(('''\r\n'''))\r\n"), ("if x:\r  f(x)\r", "if x:\r  g(x)\r"),
        ("\f\nf(x)\n", "\f\ng(x)\n"), ("if x:\n  \\\n  f(x)\n", "if x:\n  \\\n  g(x)\n"),
    ],
)  # fmt: skip
def test_a_statement_is_rewritten_wherever_it_stands(text: str, wanted: str) -> None:
    assert after(CALL, text) == wanted


@pytest.mark.parametrize(
    "text",
    ["y = f(x)\n", "return_(f(x))\n", "f(x).y\n", "await f(x)\n", "f(x), 1\n", "lambda: f(x)\n", "f(*x)\n"],
)
def test_a_call_that_is_no_statement_is_left_alone(text: str) -> None:
    assert CALL.judge(text.encode()).findings == ()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("r = []\nr.append(x)\n", "r = [x]\n"),
        ("if a:\n    r = []\n    r.append(x, )\n    b\n", "if a:\n    r = [x]\n    b\n"),
        ("r = []; r.append(x)\n", "r = [x]\n"), ("a; r = []; r.append(x); b\n", "a; r = [x]; b\n"),
        ("for x in y:\n  pass\nelse:\n  r = []\n  r.append((x, y))\n", "for x in y:\n  pass\nelse:\n  r = [(x, y)]\n"),
        ("r = []\n\n\nr.append(x)\n", "r = [x]\n"), ("r = []\nr = []\nr.append(x)\n", "r = []\nr = [x]\n"),
    ],
)  # fmt: skip
def test_statements_that_follow_each_other_become_one(text: str, wanted: str) -> None:
    assert after(PAIR, text) == wanted


@pytest.mark.parametrize(
    "text",
    ["r = []\nq.append(x)\n", "r = []\na\nr.append(x)\n", "r.append(x)\nr = []\n", "if a:\n    r = []\nr.append(x)\n",
     "r = []\nif a:\n    r.append(x)\n", "r = []\nr.append(x, y)\n", "r = q = []\nr.append(x)\n"],
)  # fmt: skip
def test_statements_of_other_blocks_or_names_do_not_match(text: str) -> None:
    assert PAIR.judge(text.encode()).findings == ()


def test_a_comment_between_statements_is_kept_by_refusing() -> None:
    (finding,) = PAIR.judge(b"r = []\n# why\nr.append(x)\n").findings
    assert finding.message.endswith("; not rewritten: it would lose the comment in line 2")
    (finding,) = PAIR.judge(b"r = []  # why\nr.append(x)\n").findings
    assert finding.fix is None
    assert after(PAIR, "r = []\nr.append(x)  # why\n") == "r = [x]  # why\n"


REST = statement("h(f($X, $$REST))", "f(${X}${REST})", kind="expression")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("h(f(x))", "f(x)"), ("h(f(x,))", "f(x)"), ("h(f(x, y))", "f(x, y)"), ("h(f(x, k=1, **z))", "f(x, k=1, **z)"),
        ("h(f(x, *y,\n  k=1  # c\n , l=(2)))", "f(x, *y,\n  k=1  # c\n , l=(2))"), ("h(f(x, k=a.b))", "f(x, k=a.b)"),
        ("h(f((x), (y)))", "f(x, y)"), ("h(f(x, (y), (z)))", "h(f(x, (y), (z)))"),
    ],
)  # fmt: skip
def test_a_rest_is_taken_over_as_it_stands(text: str, wanted: str) -> None:
    done = rewrite(REST, text.encode(), tuple(Safety))
    assert done.refusal is None
    assert done.data.decode() == wanted


@pytest.mark.parametrize("text", ["h(f())", "h(f(k=1))", "h(f(*x))", "h(f(x), y)", "h(g(x))"])
def test_a_rest_begins_after_what_stands_before_it(text: str) -> None:
    assert REST.judge(text.encode()).findings == ()


BODY = statement("for $I in range($N):\n    $$BODY\n", None, '"unread I"')


def test_a_rest_of_a_block_is_any_number_of_statements() -> None:
    for body in ("pass", "a\n    b", "if c:\n        a"):
        assert len(BODY.judge(f"for i in range(3):\n    {body}\n".encode()).findings) == 1
    for text in (
        "for i in range(3):\n    i\n",
        "for i in range(3): pass\nprint(i)\n",
        "for i in range(3): pass\nelse: pass\n",
    ):
        assert BODY.judge(text.encode()).findings == ()


def test_alternatives_share_a_template_and_what_all_of_them_capture() -> None:
    both = statement("['f(g($X))', 'g(f($X, $Y))']", "f(${X})", kind="expression")
    assert after(both, "r = f(g(1)), g(f(2, 3)), f(4)\n") == "r = f(1), f(2), f(4)\n"
    with pytest.raises(ValueError, match=r"^r\.toml: rewrite\.template: unknown metavariable 'Y'$"):
        statement("['f(g($X))', 'g(f($X, $Y))']", "f(${Y})", kind="expression")


REST_PLACE = "match.pattern: '$$R' must stand once, last in a call or in a block"


@pytest.mark.parametrize(
    ("pattern", "template", "where", "kind", "told"),
    [
        ("f($X)\n", None, "", "expression", None),
        ("x = 1\n", None, "", "expression", "match.pattern: not an expression; a pattern of "),
        ("# f\n", None, "", "statement", "match.pattern: is empty"),
        ("$$R\n", None, "", "statement", REST_PLACE),
        ("$X\n", None, "", "expression", "match.pattern: a lone metavariable would match everything"),
        ("f($$R, $X)\n", None, "", "statement", REST_PLACE),
        ("f($$R, k=1)\n", None, "", "statement", REST_PLACE),
        ("f($$R)\ng($$R)\n", None, "", "statement", REST_PLACE),
        ("f($R)\ng($$R)\n", None, "", "statement", "match.pattern: R stands for one expression and for a rest"),
        ("($$R,)\n", None, "", "statement", REST_PLACE),
        ("f($X)\n", "x = 1; y = 2", "", "statement", "rewrite.template: must be one statement"),
        ("f($X)", "x = 1", "", "expression", "rewrite.template: not a Python expression"),
        ("f($X, $$R)", "g(${R})", "", "expression", "rewrite.template: not Python code: "),
        ("f($X, $$R)", "g(${X}${R.bare})", "", "expression", "rewrite.template: unknown part 'bare' of R"),
        ("f($X)\n", None, '"absent X"', "statement", "match.where[0]: 'absent X' needs two metavariables"),
        ("f($X)\n", None, '"absent X Y"', "statement", "match.where[0]: 'absent X Y' needs two metavariables"),
        ("f($X)\n", None, '"kind X"', "statement", "match.where[0]: 'kind X' needs a type of ast"),
        ("f($X)\n", None, '"kind X Lamda"', "statement", "match.where[0]: 'Lamda' is no type of ast"),
        ("f($X)\n", None, '"proven X float"', "statement", "match.where[0]: 'proven X' needs one type of "),
        ("f($X)\n", None, '"makes X int"', "statement", "match.where[0]: 'makes X' needs one type of bytes, str"),
        ("f($X)\n", None, '"calls X"', "statement", "match.where[0]: 'calls X' needs a name"),
        ("f($X)\n", None, '"in_loop X"', "statement", "match.where[0]: 'in_loop X' has words after the predicate"),
        ("['f($X)', 'f(']", None, "", "expression", "match.pattern[1]: not Python code: '(' was never closed"),
        ("[]", None, "", "expression", "match.pattern: "),
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_be_meant_is_refused(
    pattern: str, template: str | None, where: str, kind: str, told: str | None
) -> None:
    if told is None:
        statement(pattern, template, where, kind)
        return
    with pytest.raises(ValueError) as raised:
        statement(pattern, template, where, kind)
    assert str(raised.value).startswith(f"r.toml: {told}")


def test_a_pattern_that_spells_nothing_is_looked_for_everywhere() -> None:
    doubled = statement("$X[$X]", "${X}", kind="expression")
    assert after(doubled, "r = [a[a], a[b]]\n") == "r = [a, a[b]]\n"


def test_a_repository_s_own_rules_match_and_only_suggest() -> None:
    own = plain("slow($A)", "fast(${A})", "OWN001")
    engine = OptimizeEngine({"konivrer-rules/own.toml": own.encode()}, OptimizeSettings())
    (finding,) = engine.judge(b"slow(1)\n").findings
    assert finding.fix is not None and finding.fix.safety is Safety.SUGGEST
    assert engine.rules[0].declared is Safety.SUGGEST
    for file, code, told in [
        ("konivrer-rules/own.toml", "OPT999", "OPT999 must not begin with OPT, as only shipped rules do"),
        ("own.toml", "OWN001", "OWN001 does not begin with OPT"),
    ]:
        with pytest.raises(ValueError) as raised:
            OptimizeEngine({file: own.replace("OWN001", code).encode()}, OptimizeSettings())
        assert str(raised.value) == f"{file}: id: {told}"


def test_a_ruff_rule_of_the_users_that_says_the_opposite_is_named() -> None:
    text = PLAIN.format(code="OPT901", python=">=3.11", pattern="f($A)", rewrite="conflicts = ['C419', 'X1']")
    for selected, told in [
        ((), ""),
        (("C419", "E501"), "; ruff's C419, which you select, says the opposite"),
    ]:
        engine = OptimizeEngine({"r.toml": text.encode()}, OptimizeSettings(ruff=selected))
        assert engine.judge(b"f(1)\n").findings[0].message == f"plain (because){told}"
