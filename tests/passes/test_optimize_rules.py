"""Every shipped rule keeps the promises of its own file."""

import re
from functools import cache

import pytest

from konivrer_watch.core.model import Level, Pass, Safety, Verdict
from konivrer_watch.passes.optimize import predicates, template
from konivrer_watch.passes.optimize.document import Explained, Rewritten
from konivrer_watch.passes.optimize.engine import OptimizeEngine
from konivrer_watch.passes.optimize.promises import broken_promises
from konivrer_watch.passes.optimize.rewriting import rewrite
from konivrer_watch.passes.optimize.rule import Rule
from tests.passes.pack import FILES, LOADED, engine
from tests.passes.test_optimize_edits import apply_edits, comments_of, edits_of, parses

AUTO = [rule for rule in LOADED if rule.declared is Safety.AUTO]
OPT_IN = [rule for rule in LOADED if rule.declared is Safety.OPT_IN]
MATCHES = [
    pytest.param(rule, example, id=f"{rule.id}-{number}")
    for rule in LOADED
    for number, example in enumerate(rule.document.examples.match)
]
SKIPS = [
    pytest.param(rule, example, id=f"{rule.id}-{example.because}")
    for rule in LOADED
    for example in rule.document.examples.skip
]
REFUSALS = [
    pytest.param(rule, example, id=f"{rule.id}-{example.because}")
    for rule in LOADED
    for example in rule.document.examples.refuse
]
EACH_RULE = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in LOADED])


@cache
def alone(code: str) -> OptimizeEngine:
    return engine([rule for rule in LOADED if rule.id == code])


def after(rule: Rule, code: str) -> str:
    """Return what the rule makes of the code, or the code itself where it only advises."""
    verdict = alone(rule.id).judge(code.encode())
    assert {finding.code for finding in verdict.findings} == {rule.id}
    return apply_edits(code, edits_of(verdict))


def test_the_pack_is_named_after_its_rules_and_numbered_by_their_safety() -> None:
    assert set(FILES) == {f"{rule.id}-{rule.document.name}.toml" for rule in LOADED} | {"rejected.toml"}
    assert [rule.id for rule in AUTO] == [f"OPT{100 + number}" for number in range(1, 12)]
    assert [rule.id for rule in OPT_IN] == [f"OPT{200 + number}" for number in range(1, 12)]
    advised = [rule.id for rule in LOADED if rule.declared is Safety.SUGGEST]
    assert advised == [f"OPT{300 + number}" for number in range(1, len(advised) + 1)]
    assert len(advised) >= 25


@pytest.mark.parametrize(("rule", "example"), MATCHES)
def test_a_match_becomes_its_after_and_is_then_left_alone(rule: Rule, example: Rewritten) -> None:
    once = after(rule, example.before)
    assert alone(rule.id).judge(example.after.encode()) == Verdict()
    if rule.template is None:
        assert once == example.before
        assert parses(example.after)
        return
    assert once == example.after
    assert comments_of(example.before) == comments_of(example.after)
    done = rewrite(alone(rule.id), example.before.encode(), tuple(Safety))
    assert (done.data.decode(), done.refusal) == (example.after, None)


@pytest.mark.parametrize(("rule", "example"), SKIPS)
def test_a_skip_is_python_that_the_rule_does_not_match(rule: Rule, example: Explained) -> None:
    assert parses(example.code)
    assert alone(rule.id).judge(example.code.encode()) == Verdict()


@pytest.mark.parametrize(("rule", "example"), REFUSALS)
def test_a_refusal_is_a_finding_without_a_fix_that_says_why(rule: Rule, example: Explained) -> None:
    (finding,) = alone(rule.id).judge(example.code.encode()).findings
    assert finding.code == rule.id
    assert finding.fix is None
    assert "; not rewritten: " in finding.message


@EACH_RULE
def test_the_programs_to_compare_and_to_time_are_the_rules_own_rewrites(rule: Rule) -> None:
    compared, timed = rule.document.equivalence, rule.document.benchmark
    assert timed is not None
    assert {"n=0", "n=5", "n=1000"} <= {workload.name for workload in timed.workload}
    programs = [(workload.before, workload.after) for workload in timed.workload]
    if rule.template is not None:
        assert compared is not None
        programs.append((compared.before, compared.after))
    for before, wanted in programs:
        found = after(rule, before)
        assert found == (before if rule.template is None else wanted)
        assert alone(rule.id).judge(wanted.encode()) == Verdict()


@EACH_RULE
def test_a_rule_rewrites_or_says_what_keeps_it_from_it(rule: Rule) -> None:
    document = rule.document
    assert (rule.template is None) == (document.blocked != "")
    assert (document.rewrite is None) == (document.equivalence is None)
    assert bool(document.examples.refuse) == (document.rewrite is not None)


@EACH_RULE
def test_a_finding_names_its_rule_and_says_what_changes(rule: Rule) -> None:
    document = rule.document
    code = document.examples.match[0].before
    finding = alone(rule.id).judge(code.encode()).findings[0]
    assert (finding.pass_, finding.level, finding.name) == (Pass.OPTIMIZE, Level.NOTE, document.name)
    assert finding.evidence is not None and finding.evidence.startswith("measured 2.00\u00d7 (n=0, 1.5 ")
    told = f"{document.title} ({document.why})"
    if document.rewrite is None:
        assert (finding.fix, finding.message) == (None, f"{told}; left to you: {document.blocked}")
        return
    assert finding.message == told
    assert finding.fix is not None
    assert finding.fix.safety is rule.declared
    assert finding.fix.message == f"{document.title}. {document.rewrite.divergence}".removesuffix(". ")


def weakened(rule: Rule, index: int) -> OptimizeEngine:
    text = FILES[f"{rule.id}-{rule.document.name}.toml"].decode()
    dropped = f'"{rule.document.match.where[index]}"'
    start = text.index("where = [")
    assert text.count(dropped, start) >= 1
    place = text.index(dropped, start)
    end = place + len(dropped)
    while text[end] in ", \n":
        end += 1
    return OptimizeEngine({"r.toml": (text[:place] + text[end:]).encode()}, alone(rule.id).settings)


MUTATIONS = [
    pytest.param(rule, index, id=f"{rule.id} without {text}")
    for rule in LOADED
    for index, text in enumerate(rule.document.match.where)
]


@pytest.mark.parametrize(("rule", "index"), MUTATIONS)
def test_each_predicate_is_needed_by_an_example(rule: Rule, index: int) -> None:
    loose = weakened(rule, index)
    assert len(loose.rules[0].checks) == len(rule.checks) - 1
    assert any(loose.judge(example.code.encode()) != Verdict() for example in rule.document.examples.skip)


@EACH_RULE
def test_a_rule_file_keeps_its_own_promises(rule: Rule) -> None:
    file = f"{rule.id}-{rule.document.name}.toml"
    assert broken_promises(file, FILES[file]) == ()


def test_every_predicate_is_described_and_serves_a_rule() -> None:
    described = set(re.findall(r"^``(\w+)", predicates.__doc__ or "", re.MULTILINE))
    assert described == set(predicates.KNOWN)
    used = {text.split()[0] for rule in LOADED for text in rule.document.match.where}
    assert used == set(predicates.KNOWN)


def test_every_part_of_a_slot_is_described_and_serves_a_rule() -> None:
    described = set(re.findall(r"^``\$\{M\.?(\w*)\}``", template.__doc__ or "", re.MULTILINE))
    used = {part for rule in LOADED if rule.template for _, part in template.SLOT.findall(rule.template.text)}
    assert described == used == {"", "bare", "inner", "pairs"}


def test_a_rule_that_ruff_would_undo_names_the_code() -> None:
    fighting = {rule.id: rule.document.conflicts for rule in LOADED if rule.document.conflicts}
    assert fighting == {"OPT102": ("C409",), "OPT209": ("C419",), "OPT210": ("C419",)}
