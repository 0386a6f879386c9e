"""The engine: what it selects, promotes, demotes and refuses, and the order it answers in."""

import ast
import sys
from types import SimpleNamespace

import pytest

from konivrer_watch.core.model import Fix, Safety, Verdict
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.rule import load_rule
from tests.passes.pack import RUNNING, sheet
from tests.passes.test_optimize_edits import ENGINE, RULES, apply_edits, edits_of

TUPLE = RULES["OPT102-tuple-genexp.toml"].decode()
HIT = "r = tuple(x for x in xs)\n"
ALL_FIVE = (
    "','.join(x for x in a), tuple(x for x in a), set(x for x in a), sorted(x for x in a), list(x for x in a)"
)

PLAIN = """
schema = 1
id = "{code}"
name = "plain"
title = "plain"
why = "because"
class = "constant"
python = "{python}"
match = {{ pattern = '{pattern}' }}
{rewrite}
[[examples.match]]
before = "x"
after = "x"
[[examples.skip]]
code = "x"
because = "x"
"""
BENCHMARK = """
[benchmark]
gate = { worst = 0.97, best = 1.10 }
[[benchmark.workload]]
name = "a"
before = "x"
after = "x"
[[benchmark.workload]]
name = "b"
before = "x"
after = "x"
[[benchmark.workload]]
name = "c"
before = "x"
after = "x"
"""


def plain(pattern: str, template: str | None, code: str = "OPT901", python: str = ">=3.11") -> str:
    rewrite = f"rewrite = {{ template = '{template}', safety = 'auto' }}" if template else ""
    return PLAIN.format(code=code, python=python, pattern=pattern, rewrite=rewrite)


def measured(*rules: str, worst: float = 2.0, best: float = 3.0, python: str = RUNNING) -> bytes:
    return sheet([load_rule("r.toml", rule.encode()) for rule in rules], python, worst, best)


def engine(
    *rules: str, settings: OptimizeSettings | None = None, evidence: bytes | None = None
) -> OptimizeEngine:
    files = {f"{number}.toml": rule.encode() for number, rule in enumerate(rules)}
    if evidence is not None:
        files["evidence.json"] = evidence
    return OptimizeEngine(files, settings or OptimizeSettings())


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def fix_of(
    rule: str, opt_in: tuple[str, ...] = (), evidence: bytes | None = None, targets: tuple[str, ...] = ()
) -> tuple[Fix, str | None]:
    chosen = OptimizeSettings(opt_in=opt_in, targets=targets)
    (finding,) = engine(rule, settings=chosen, evidence=evidence).judge(HIT.encode()).findings
    assert finding.fix is not None
    return finding.fix, finding.evidence


@pytest.mark.parametrize("declared", ["auto", "opt-in", "suggest"])
def test_a_rule_without_evidence_is_a_suggestion_whatever_it_declares(declared: str) -> None:
    fix, evidence = fix_of(TUPLE.replace('safety = "auto"', f'safety = "{declared}"'), ("OPT102",))
    assert (fix.safety, evidence) == (Safety.SUGGEST, None)


@pytest.mark.parametrize(
    ("worst", "best", "python"), [(0.96, 2.0, RUNNING), (1.0, 1.09, RUNNING), (1.3, 1.6, "3.1")]
)
def test_evidence_that_misses_the_gate_or_this_python_does_not_count(
    worst: float, best: float, python: str
) -> None:
    fix, evidence = fix_of(TUPLE, evidence=measured(TUPLE, worst=worst, best=best, python=python))
    assert (fix.safety, evidence) == (Safety.SUGGEST, None)


def test_evidence_of_another_pattern_template_or_benchmark_does_not_count() -> None:
    old = measured(TUPLE)
    for was, now in [("'tuple($G)'", "'tuple(($G))'"), ("tuple([${G.inner}])'", "tuple([ ${G.inner}])'"),
                     ("name = \"n=5\"", "name = \"n=6\""), ("list(range(5))", "list(range(6))"),
                     ("worst = 0.97", "worst = 0.98")]:  # fmt: skip
        assert was in TUPLE
        fix, evidence = fix_of(TUPLE.replace(was, now), evidence=old)
        assert (fix.safety, evidence) == (Safety.SUGGEST, None)
    assert fix_of(TUPLE.replace('title = "', 'title = "New: '), evidence=old)[0].safety == Safety.AUTO


def test_a_rule_without_a_benchmark_has_no_evidence() -> None:
    rule = plain("tuple($G)", "tuple([${G.inner}])")
    named = measured(TUPLE).replace(b"OPT102", b"OPT901")
    assert fix_of(rule, evidence=named)[1] is None


def test_every_target_needs_evidence_of_its_own() -> None:
    for targets, safety in [((RUNNING,), Safety.AUTO), ((RUNNING, "3.99"), Safety.SUGGEST)]:
        assert fix_of(TUPLE, evidence=measured(TUPLE), targets=targets)[0].safety == safety


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="evidence is measured on CPython")
@pytest.mark.parametrize(
    ("declared", "opt_in", "safety"),
    [
        ("auto", (), Safety.AUTO),
        ("opt-in", (), Safety.OPT_IN),
        ("opt-in", ("OPT1",), Safety.AUTO),
        ("suggest", ("OPT1",), Safety.SUGGEST),
    ],
)
def test_passing_evidence_gives_the_declared_safety_and_is_told(
    declared: str, opt_in: tuple[str, ...], safety: Safety
) -> None:
    rule = TUPLE.replace('safety = "auto"', f'safety = "{declared}"')
    fix, evidence = fix_of(rule, opt_in, measured(rule, worst=0.97, best=1.1))
    assert fix.safety == safety
    where = f"on CPython {RUNNING}.1, CPU time"
    assert evidence == f"measured 0.97\u00d7 (n=0, 1.5 \u00b5s saved) to 1.10\u00d7 (n=5) {where}"


def test_evidence_counts_on_cpython_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "implementation", SimpleNamespace(name="pypy"))
    fix, evidence = fix_of(TUPLE, evidence=measured(TUPLE))
    assert (fix.safety, evidence) == (Safety.SUGGEST, None)


def test_of_overlapping_edits_the_automatic_one_is_offered() -> None:
    outer = plain("list($G)", "[${G.inner}]", "OPT901")
    inner = plain("tuple($G)", "tuple([${G.inner}])", "OPT902") + BENCHMARK
    text = "r = list(tuple(x for x in y) for y in xs)\n"
    verdict = engine(outer, inner, evidence=measured(inner)).judge(text.encode())
    assert [(found.code, found.fix is not None) for found in verdict.findings] == [
        ("OPT901", False),
        ("OPT902", True),
    ]
    assert apply_edits(text, edits_of(verdict)) == "r = list(tuple([x for x in y]) for y in xs)\n"


def test_of_two_matches_that_begin_together_the_outer_one_is_offered() -> None:
    verdict = engine(plain("$A.g()", "${A}.h")).judge(b"x.g().g()")
    assert [edit.text for edit in edits_of(verdict)] == ["x.g().h"]


def test_a_rewrite_that_ends_in_a_word_stays_apart_from_the_next() -> None:
    text = "r = f(x)if(y)else(z)\n"
    after = apply_edits(text, edits_of(engine(plain("f($A)", "${A}")).judge(text.encode())))
    assert after == "r = x if(y)else(z)\n"


def test_two_rules_on_one_place_offer_one_edit() -> None:
    both = engine(plain("f($A)", "g(${A})", "OPT901"), plain("f($B)", "h(${B})", "OPT902"))
    verdict = both.judge(b"f(1)")
    assert codes(verdict) == ["OPT901", "OPT902"]
    assert [edit.text for edit in edits_of(verdict)] == ["g(1)"]


def test_select_and_ignore_take_ids_and_their_beginnings() -> None:
    def heard(select: tuple[str, ...], ignore: tuple[str, ...]) -> list[str]:
        chosen = OptimizeSettings(select=select, ignore=ignore)
        return codes(OptimizeEngine(RULES, chosen).judge(ALL_FIVE.encode()))

    assert heard((), ()) == ["OPT101", "OPT102", "OPT103", "OPT104", "OPT105"]
    assert heard(("OPT103", "OPT105"), ()) == ["OPT103", "OPT105"]
    assert heard(("OPT1",), ("OPT102", "OPT104")) == ["OPT101", "OPT103", "OPT105"]
    assert heard(("OPT101",), ("OPT",)) == []


def test_rules_lists_all_that_were_loaded_by_id() -> None:
    chosen = OptimizeEngine(RULES, OptimizeSettings(select=("OPT103",)))
    assert [rule.id for rule in chosen.rules] == ["OPT101", "OPT102", "OPT103", "OPT104", "OPT105"]


def test_a_rule_for_a_newer_python_is_loaded_and_silent() -> None:
    later = engine(plain("f($A)", None, python=">=3.99"))
    assert codes(later.judge(b"f(1)")) == []
    assert len(later.rules) == 1


def test_a_rule_without_a_rewrite_finds_and_offers_nothing() -> None:
    (finding,) = engine(plain("f($A)", None)).judge(b"f(1)").findings
    assert (finding.fix, finding.message) == (None, "plain (because)")


def test_a_pattern_may_be_any_expression_and_repeat_a_metavariable() -> None:
    doubled = engine(plain("$A if $A else $B", "${A} or ${B}"))
    text = "r = a.b if a.b else c\ns = a.b if a.c else c\nt = f(x) if f(x, y) else c\n"
    verdict = doubled.judge(text.encode())
    assert [finding.line for finding in verdict.findings] == [1]
    assert apply_edits(text, edits_of(verdict)).startswith("r = a.b or c\n")


def test_a_captured_part_keeps_its_brackets_where_precedence_needs_them() -> None:
    judge = engine(plain("f($A)", "${A}.g"))
    for argument, new in [
        ("a+b", "(a+b).g"),
        ("a.b", "a.b.g"),
        ("(a,\n b)", "((a,\n b)).g"),
        ("[1]", "[1].g"),
    ]:
        text = f"r = f({argument})\n"
        assert apply_edits(text, edits_of(judge.judge(text.encode()))) == f"r = {new}\n"


def test_a_rewrite_that_is_not_python_is_refused() -> None:
    (finding,) = engine(plain("f($A)", "${A}.g")).judge(b"f(1)").findings
    assert finding.fix is None
    assert finding.message.endswith("; not rewritten: the rewritten text does not parse as it should")


def test_a_generator_part_of_what_is_no_generator_is_refused() -> None:
    (finding,) = engine(plain("f($A)", "[${A.inner}]")).judge(b"f(x)").findings
    assert finding.message.endswith("; not rewritten: the generator has no brackets of its own")


def test_a_tree_of_other_bytes_offers_no_edit() -> None:
    tree = ast.parse("r = tuple(y for y in ys)")
    (finding,) = ENGINE.judge(b"r = tuple(x for x in xs)", tree).findings
    assert finding.message.endswith("; not rewritten: its place in the text is uncertain")


def test_an_identifier_spelled_otherwise_is_the_same_name() -> None:
    fullwidth = "r = \uff54uple(x for x in xs)\n"
    assert (
        apply_edits(fullwidth, edits_of(ENGINE.judge(fullwidth.encode()))) == "r = tuple([x for x in xs])\n"
    )
    assert codes(ENGINE.judge(f"\uff54uple = 1\n{HIT}".encode())) == []


def test_the_deepest_pattern_meets_the_deepest_code_without_an_error() -> None:
    signs = "-" * 190
    verdict = engine(plain(f"{signs}$X", None)).judge(f"r = {'-' * 250}x\n".encode())
    assert codes(verdict) == ["OPT901"] * 61
