"""Comments silence findings and are counted; the digest follows rules and settings and nothing else."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from tests.passes.test_optimize_edits import ENGINE, RULES, edits_of

HIT = "r = tuple(x for x in xs)"


def heard(text: str) -> tuple[int, int]:
    verdict = ENGINE.judge(text.encode())
    assert verdict.problem is None
    return len(verdict.findings), verdict.suppressed


@pytest.mark.parametrize(
    "comment",
    ["# konivrer: ignore[OPT102]", "#konivrer:ignore[OPT102]", "# konivrer: ignore",
     "# konivrer: ignore  why not", "# konivrer: ignore[OPT101, OPT102]",
     "# konivrer: ignore[OPT101 OPT102]", "# \u00e9 # konivrer: ignore",
     "# noqa: C401  # konivrer: ignore[ OPT102 ]  # because"],
)  # fmt: skip
def test_a_comment_on_its_line_silences_a_finding_and_counts(comment: str) -> None:
    assert heard(f"{HIT}  {comment}\n") == (0, 1)


@pytest.mark.parametrize(
    "comment",
    ["# konivrer: ignore[OPT101]", "# konivrer: ignore[]", "# konivrer: ignore[OPT102",
     "# konivrer: ignore-not", "# konivrer: ignored", "# konivrer ignore", "# ignore[OPT102]",
     "# konivrer: ignore[OPT1]", "# konivrer: off"],
)  # fmt: skip
def test_other_comments_silence_nothing(comment: str) -> None:
    assert heard(f"{HIT}  {comment}\n") == (1, 0)


def test_a_comment_silences_no_other_line_and_no_text_does() -> None:
    assert heard(f"# konivrer: ignore\n{HIT}\n# konivrer: ignore\n") == (1, 0)
    assert heard(f"{HIT}, '# konivrer: ignore'\n") == (1, 0)
    assert heard(f"'''\n# konivrer: ignore''', {HIT[4:]}\n") == (1, 0)


def test_a_bare_comment_silences_every_finding_of_the_line() -> None:
    assert heard(f"{HIT}; s = set(x for x in xs)  # konivrer: ignore\n") == (0, 2)
    assert heard(f"{HIT}; s = set(x for x in xs)  # konivrer: ignore[OPT103]\n") == (1, 1)


def test_a_match_over_several_lines_is_silenced_on_its_first_or_its_last() -> None:
    lines = ["r = tuple(", "    x", "    for x in xs", ")"]
    counts = [
        heard("\n".join([*lines[:n], f"{lines[n]}  # konivrer: ignore", *lines[n + 1 :]])) for n in range(4)
    ]
    assert counts == [(0, 1), (1, 0), (1, 0), (0, 1)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_alike_with_every_line_ending(newline: str) -> None:
    text = f"'''\n\f\x0b\u2028'''\n{HIT}\n{HIT}  # konivrer: ignore\n{HIT}"
    verdict = ENGINE.judge(text.replace("\n", newline).encode())
    assert [found.line for found in verdict.findings] == [3, 5]
    assert verdict.suppressed == 1


def test_a_silenced_match_does_not_stand_in_the_way_of_one_inside_it() -> None:
    verdict = ENGINE.judge(b"tuple(\n  set(y for y in x) for x in xs)  # konivrer: ignore[OPT102]\n")
    assert [edit.text for edit in edits_of(verdict)] == ["{y for y in x}"]
    assert verdict.suppressed == 1


IDS = ["OPT101", "OPT102", "OPT103", "OPT104", "OPT105", "OPT", "OPT10"]
chosen = st.builds(
    OptimizeSettings,
    select=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    ignore=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    opt_in=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
)
packs = st.none() | st.sampled_from(sorted(RULES))


def pack_with(touched: str | None) -> dict[str, bytes]:
    """Return the rules; a blank line more in ``touched`` makes it another rule file."""
    return {name: data + b"\n" * (name == touched) for name, data in RULES.items()}


def said(settings_: OptimizeSettings) -> list[set[str]]:
    return [set(settings_.select), set(settings_.ignore), set(settings_.opt_in)]


@settings(max_examples=60, deadline=None)
@given(chosen, chosen, packs, packs)
def test_digests_are_equal_exactly_when_rules_and_settings_are(
    one: OptimizeSettings, other: OptimizeSettings, touched: str | None, again: str | None
) -> None:
    equal = said(one) == said(other) and touched == again
    first, second = OptimizeEngine(pack_with(touched), one), OptimizeEngine(pack_with(again), other)
    assert (first.digest == second.digest) == equal


def test_the_digest_forgets_order_and_file_names() -> None:
    wanted = ENGINE.digest
    assert len(wanted) == 32
    for order in list(permutations(RULES))[::40]:
        renamed = {f"{number}.toml": RULES[name] for number, name in enumerate(order)}
        assert OptimizeEngine(renamed, OptimizeSettings()).digest == wanted


def test_the_digest_forgets_order_and_repetition_of_selectors() -> None:
    one = OptimizeEngine(RULES, OptimizeSettings(select=("OPT101", "OPT102")))
    other = OptimizeEngine(RULES, OptimizeSettings(select=("OPT102", "OPT101", "OPT102")))
    assert one.digest == other.digest


def test_judging_leaves_the_digest_and_later_verdicts_alone() -> None:
    judge = OptimizeEngine(RULES, OptimizeSettings())
    before = (judge.digest, judge.judge(HIT.encode()))
    judge.judge(b"tuple = 1; from x import *\n")
    judge.judge(b"(")
    assert (judge.digest, judge.judge(HIT.encode())) == before
