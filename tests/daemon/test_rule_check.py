"""Rules are proven and timed in a child process; what is wrong with one is told in words."""

import sys

import pytest

from konivrer_watch.daemon.rule_check import Proof, Trial, bench_rules, sheet_of, verify_rules
from konivrer_watch.daemon.rule_child import NEEDS_HYPOTHESIS, bench, verify
from konivrer_watch.daemon.rule_frames import BenchRule, VerifyRule
from konivrer_watch.passes.optimize.evidence import Evidence, read_evidence, write_evidence
from konivrer_watch.passes.optimize.gate import Decision, Figures, Outcome
from konivrer_watch.passes.optimize.rule import load_rule
from tests.passes.pack import FILES, RUNNING

pytestmark = pytest.mark.anyio

TUPLE = "OPT102-tuple-genexp.toml"
TEXT = FILES[TUPLE].decode()
ANY = FILES["OPT310-any-equal.toml"].decode()
# The advice that looks right and is not: NaN, and whatever equals nothing, is found by identity.
WRONG = ANY.replace('blocked = "', '# "').replace(
    "[[examples.match]]", "[rewrite]\ntemplate = '${Y} in ${L}'\nsafety = \"auto\"\n\n[[examples.match]]", 1
).replace(
    "[benchmark]",
    "[equivalence]\nbefore = 'r = any(x == k for x in xs)'\nafter = 'r = k in xs'\n"
    'given = { xs = "itp", k = "any" }\n\n[benchmark]',
)  # fmt: skip


def faults(text: str, file: str = TUPLE, examples: int | None = 200) -> tuple[str, ...]:
    return verify(VerifyRule(file, text.encode(), examples)).faults


def test_a_shipped_rule_has_no_faults() -> None:
    assert faults(TEXT) == ()


def test_a_deliberately_wrong_rule_keeps_its_examples_and_is_refuted() -> None:
    (fault,) = faults(WRONG, "OPT310.toml", None)
    assert fault.startswith("equivalence: refuted by {'xs': ('items', ")
    assert fault.endswith(": result ('bool', 'False') becomes ('bool', 'True')")


def test_a_rewrite_without_an_equivalence_is_at_fault() -> None:
    start, end = TEXT.index("[equivalence]"), TEXT.index("[benchmark]")
    assert faults(TEXT[:start] + TEXT[end:]) == ("equivalence: is missing, though there is a rewrite",)


def test_a_rule_of_a_repository_is_not_executed() -> None:
    own = TEXT.replace('id = "OPT102"', 'id = "OWN102"').replace(
        "r = tuple(f(x) for x in xs)'", "raise SystemExit'"
    )
    file = "konivrer-rules/own.toml"
    assert faults(own, file) == ("a rule of the repository's is never executed",)
    assert bench(BenchRule(file, own.encode())).problem == "a rule of the repository's is never executed"


def test_without_hypothesis_there_is_no_proof_and_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "konivrer_watch.daemon.rule_equivalence", raising=False)
    assert faults(TEXT) == (NEEDS_HYPOTHESIS,)
    assert "pip install konivrer-watch[rules]" in NEEDS_HYPOTHESIS


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("after = 'r = tuple([f(x) for x in xs])'", "after = 'r = tuple([f(x)  for x in xs])'",
         "examples.match[0]: before becomes 'r = tuple([f(x) for x in xs])', not after"),
        ("before = 'r = tuple(f(x) for x in xs)'", "before = 'r = tuple(xs)'",
         "examples.match[0]: before is not found"),
        ("code = 'r = tuple(xs)'", "code = 'r = tuple(x for x in xs)'",
         "examples.skip[2]: is found, although there is no generator"),
        ("r = tuple(  # kept\n", "r = tuple(\n",
         "examples.refuse[0]: is rewritten, although the comment stands outside the generator"),
        ("before = 'tuple(x + 1 for x in xs)'", "before = 'tuple(xs)'", "benchmark.workload[0]: before is not found"),
        ("after = 'tuple([x + 1 for x in xs])'", "after = 'tuple(x for x in xs)'",
         "benchmark.workload[0]: after is found again"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(old: str, new: str, told: str) -> None:
    assert old in TEXT
    assert faults(TEXT.replace(old, new, 1))[0] == told


def test_a_file_that_is_no_rule_is_a_fault() -> None:
    assert faults("schema = 1", "r.toml") == ("r.toml: Object missing required field `id`",)
    assert bench(BenchRule("r.toml", b"")).problem == "r.toml: Object missing required field `schema`"


async def test_rules_are_verified_in_a_child_process_and_told_as_they_come() -> None:
    heard: list[Proof] = []
    files = {TUPLE: TEXT.encode(), "wrong.toml": WRONG.encode()}
    proofs = await verify_rules(files, 1, heard.append, 100)
    assert sorted(heard, key=lambda proof: proof.code) == list(proofs)
    assert [(proof.code, bool(proof.faults)) for proof in proofs] == [("OPT102", False), ("OPT310", True)]


async def test_a_rule_that_ends_its_process_is_at_fault_and_the_others_are_proven() -> None:
    deadly = TEXT.replace("[equivalence]\nbefore = 'r = tuple(f(x) for x in xs)'",
                          "[equivalence]\nbefore = 'import os; os._exit(3); r = tuple(f(x) for x in xs)'")  # fmt: skip
    deadly = deadly.replace(
        "after = 'r = tuple([f(x) for x in xs])'\ngiven",
        "after = 'import os; os._exit(3); r = tuple([f(x) for x in xs])'\ngiven",
    )
    proofs = await verify_rules({"a.toml": deadly.encode(), "b.toml": WRONG.encode()}, 1, lambda _: None, 10)
    assert proofs[0].faults == ("the process that runs it ended with exit code 3 before it answered",)
    assert len(proofs) == 2


async def test_rules_are_timed_in_a_child_process() -> None:
    heard: list[Trial] = []
    later = TEXT.replace('python = ">=3.11"', 'python = ">=3.99"').replace("OPT102", "OPT199")
    files = {TUPLE: TEXT.encode(), "b.toml": later.encode()}
    trials = await bench_rules(files, heard.append, rounds=3, seconds=1e-5)
    assert list(trials) == heard
    assert [figure.name for figure in trials[0].decision.figures] == ["n=0", "n=5", "n=1000"]
    assert trials[0].digest == load_rule(TUPLE, TEXT.encode()).document.digest
    assert trials[1].decision == Decision(Outcome.INCONCLUSIVE, "it is for Python >=3.99", ())


def test_a_sheet_keeps_what_was_measured_before_and_is_evidence() -> None:
    rule = load_rule(TUPLE, TEXT.encode())
    figures = tuple([Figures(name, 1.5, 1.4, 1.0, 1e-6) for name in ("n=0", "n=5", "n=1000")])
    one = Trial("OPT102", rule.document.digest, Decision(Outcome.PASSED, "", figures))
    other = Trial("OPT103", "x", Decision(Outcome.REJECTED, "", figures))
    nothing = Trial("OPT104", "x", Decision(Outcome.INCONCLUSIVE, "", ()))
    sheet = sheet_of([other], sheet_of([one, nothing]))
    assert list(sheet.rules) == ["OPT102", "OPT103"]
    assert read_evidence(write_evidence(sheet)) == sheet
    line = Evidence((sheet,)).line(rule.document, sys.implementation.name, [RUNNING])
    assert line is not None and line.startswith(
        "measured 1.50\u00d7 (n=0, 1.0 \u00b5s saved) to 1.50\u00d7 (n=0) on "
    )
