"""Every shipped rule keeps the promises of its own file."""

import pytest

from konivrer_watch.core.model import Level, Pass, Verdict
from konivrer_watch.passes.optimize.document import Explained, Rewritten
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.rule import Rule, load_rules
from tests.passes.test_optimize_edits import ENGINE, RULES, apply_edits, assert_sound, edits_of, parses

LOADED = load_rules(RULES)
ALONE = {rule.id: OptimizeEngine(RULES, OptimizeSettings(select=(rule.id,))) for rule in LOADED}
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


def rewrite(rule: Rule, code: str) -> str:
    verdict = ALONE[rule.id].judge(code.encode())
    assert [finding.code for finding in verdict.findings] == [rule.id]
    return apply_edits(code, edits_of(verdict))


def test_the_pack_is_rules_one_to_five_in_files_named_after_them() -> None:
    assert [rule.id for rule in LOADED] == ["OPT101", "OPT102", "OPT103", "OPT104", "OPT105"]
    assert set(RULES) == {f"{rule.id}-{rule.document.name}.toml" for rule in LOADED}


@pytest.mark.parametrize(("rule", "example"), MATCHES)
def test_a_match_becomes_exactly_its_after_and_is_then_left_alone(rule: Rule, example: Rewritten) -> None:
    assert rewrite(rule, example.before) == example.after
    assert ENGINE.judge(example.after.encode()) == Verdict()
    assert_sound(example.before)


@pytest.mark.parametrize(("rule", "example"), SKIPS)
def test_a_skip_is_python_that_the_rule_does_not_match(rule: Rule, example: Explained) -> None:
    assert parses(example.code)
    assert ALONE[rule.id].judge(example.code.encode()) == Verdict()


@pytest.mark.parametrize(("rule", "example"), REFUSALS)
def test_a_refusal_is_a_finding_without_a_fix_that_says_why(rule: Rule, example: Explained) -> None:
    (finding,) = ALONE[rule.id].judge(example.code.encode()).findings
    assert finding.code == rule.id
    assert finding.fix is None
    assert "; not rewritten: " in finding.message


@EACH_RULE
def test_the_programs_to_compare_and_to_time_are_the_rules_own_rewrites(rule: Rule) -> None:
    compared, timed = rule.document.equivalence, rule.document.benchmark
    assert compared is not None and timed is not None
    assert rewrite(rule, compared.before) == compared.after
    for workload in timed.workload:
        assert rewrite(rule, workload.before) == workload.after
    assert {"n=0", "n=5", "n=1000"} <= {workload.name for workload in timed.workload}


@EACH_RULE
def test_a_finding_names_its_rule_and_says_what_changes(rule: Rule) -> None:
    document = rule.document
    code = document.examples.match[0].before
    (finding,) = ALONE[rule.id].judge(code.encode()).findings
    assert (finding.pass_, finding.level, finding.name) == (Pass.OPTIMIZE, Level.NOTE, document.name)
    assert finding.message == f"{document.title} ({document.why})"
    assert finding.fix is not None and document.rewrite is not None
    assert finding.fix.message == f"{document.title}. {document.rewrite.divergence}"
