"""Every shipped rewrite stands hostile input, and wrong ones are told from right ones by it."""

import pytest

from konivrer_watch.daemon.rule_equivalence import refute
from konivrer_watch.passes.optimize.document import Equivalence
from konivrer_watch.passes.optimize.rule import Rule
from tests.passes.pack import LOADED

REWRITES = [pytest.param(rule, id=rule.id) for rule in LOADED if rule.document.rewrite is not None]


@pytest.mark.parametrize("rule", REWRITES)
def test_a_shipped_rewrite_is_not_told_from_what_it_replaces(rule: Rule) -> None:
    assert rule.document.equivalence is not None
    assert rule.document.equivalence.max_examples >= 1500
    assert refute(rule.document.equivalence, 150) is None


WRONG = [
    ("r = any(x == k for x in xs)", "r = k in xs", {"xs": "itp", "k": "any"}, "result"),
    ("r = any(x == k for x in xs)", "r = k in xs", {"xs": "itn", "k": "any"}, "result"),
    ("r = x == None", "r = x is None", {"x": "any"}, "events"),
    ("r = x is None", "r = x == None", {"x": "any"}, "events"),
    ("r = s.split('aa')[-1]", "r = s.rsplit('aa', 1)[-1]", {"s": "s"}, "result"),
    ("r = s.split(x)[-1]", "r = s.rsplit(x, 1)[-1]", {"s": "s", "x": "sep"}, "result"),
    ("r = sum(f(x) for x in xs)", "r = sum([f(x) for x in xs])", {"xs": "itp", "f": "f"}, "events"),
    ("r = max(f(x) for x in xs)", "r = max([f(x) for x in xs])", {"xs": "itp", "f": "f"}, "events"),
    ("r = any([f(x) for x in xs])", "r = any(f(x) for x in xs)", {"xs": "itp", "f": "f"}, "events"),
    ("r = list(xs)[0]", "r = next(iter(xs))", {"xs": "itp"}, "result"),
    ("r = sorted(xs)[0]", "r = min(xs)", {"xs": "itn"}, "result"),
    ("r = [x for x in xs]", "r = list(xs)", {"xs": "itp"}, "events"),
    ("r = set([f(x) for x in xs])", "r = {f(x) for x in xs}", {"xs": "itp", "f": "f"}, "events"),
    ("r = frozenset(f(x) for x in xs)", "r = frozenset([f(x) for x in xs])", {"xs": "itp", "f": "f"}, "events"),
    ("r = sorted(list(xs))", "r = list(xs)\nr.sort(reverse=True)", {"xs": "itn"}, "result"),
    ("r = list(xs) + list(xs)", "r = list(xs) * 2", {"xs": "itp"}, "events"),
    ("r = tuple(xs)", "r = list(xs)", {"xs": "itp"}, "result"),
    ("r = [f(x) for x in xs]", "r = list(map(f, reversed(list(xs))))", {"xs": "itp", "f": "f"}, "events"),
    ("r = list(xs)", "r = xs if type(xs) is list else list(xs)", {"xs": "itp"}, "result"),
    ("r = dict(d)", "d.clear()\nr = d", {"d": "d"}, "result"),
    ("d.update({f(k): f(v)})", "d[f(k)] = f(v)", {"d": "d", "k": "any", "v": "any", "f": "f"}, "events"),
    ("d.update({k: v})", "d.setdefault(k, v)", {"d": "d", "k": "any", "v": "any"}, "mutation"),
    ("r = bin(n).count('1')", "r = len(bin(n)) - 2", {"n": "n"}, "result"),
    ("r = 1 if n else 0", "r = bool(n)", {"n": "n"}, "result"),
    ("r = ''.join(reversed(s))", "r = s", {"s": "s"}, "result"),
    ("r = [x for x in xs if x]", "r = list(filter(lambda x: not not x, xs))", {"xs": "itu"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "given", "differs"), WRONG)
def test_a_wrong_rewrite_is_refuted_by_what_differs(
    before: str, after: str, given: dict[str, str], differs: str | None
) -> None:
    refutation = refute(Equivalence(before, after, given))
    assert (refutation.differs if refutation else None) == differs


def test_a_refutation_is_small_and_shows_both_sides() -> None:
    refutation = refute(Equivalence("r = any(x == k for x in xs)", "r = k in xs", {"xs": "itp", "k": "any"}))
    assert refutation is not None
    assert (refutation.before, refutation.after) == ("('bool', 'False')", "('bool', 'True')")
    assert len(refutation.inputs) < 120


def test_a_refutation_is_found_again() -> None:
    wrong = Equivalence("r = sorted(xs)[0]", "r = min(xs)", {"xs": "itn"})
    assert refute(wrong) == refute(wrong)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Equivalence("r = (", "r = 1", {}), r"^equivalence\.before: '\(' was never closed$"),
        (Equivalence("r = 1", "r =", {}), r"^equivalence\.after: invalid syntax$"),
        (
            Equivalence("r = 1", "r = 1", {"x": "ints"}),
            r"^equivalence\.given\.x: 'ints' is none of any, d, f, ",
        ),
    ],
)
def test_programs_that_cannot_be_run_are_named(wrong: Equivalence, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        refute(wrong)
