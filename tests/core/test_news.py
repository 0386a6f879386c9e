"""What is new between two verdicts: a multiset difference that looks through moves."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Finding, Level, Pass
from konivrer_watch.core.news import News, compare

Kind = tuple[Pass, str, str, str]


def finding(line: int, code: str = "F401", message: str = "m", column: int = 1) -> Finding:
    return Finding(line, column, line, column + 3, Pass.LINT, code, "name", Level.WARNING, message)


FINDINGS = st.lists(
    st.builds(finding, st.integers(1, 4), st.sampled_from(["F401", "E501"]), st.sampled_from(["m", "n"])),
    max_size=10,
)


def kinds(findings: tuple[Finding, ...] | list[Finding]) -> Counter[Kind]:
    return Counter([(each.pass_, each.code, each.name, each.message) for each in findings])


@given(FINDINGS, FINDINGS)
def test_appeared_and_gone_are_the_multiset_difference_by_kind(
    earlier: list[Finding], later: list[Finding]
) -> None:
    news = compare(earlier, later)
    assert kinds(news.appeared) == kinds(later) - kinds(earlier)
    assert kinds(news.gone) == kinds(earlier) - kinds(later)


@given(FINDINGS, FINDINGS)
def test_news_speaks_only_of_findings_that_are_there(earlier: list[Finding], later: list[Finding]) -> None:
    news = compare(earlier, later)
    assert Counter(news.appeared) <= Counter(later)
    assert Counter(news.gone) <= Counter(earlier)


@given(FINDINGS, FINDINGS)
def test_swapping_the_verdicts_swaps_the_answer(earlier: list[Finding], later: list[Finding]) -> None:
    news = compare(earlier, later)
    assert compare(later, earlier) == News(news.gone, news.appeared)


@given(FINDINGS, st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_order_in_which_findings_are_given_says_nothing(
    findings: list[Finding], one: Random, other: Random
) -> None:
    earlier, later = findings[::2], findings[1::2]
    shuffled_earlier, shuffled_later = earlier[:], later[:]
    one.shuffle(shuffled_earlier)
    other.shuffle(shuffled_later)
    assert compare(shuffled_earlier, shuffled_later) == compare(earlier, later)


@given(FINDINGS, st.integers(1, 50))
def test_findings_that_only_moved_are_no_news(findings: list[Finding], lines: int) -> None:
    moved = [finding(each.line + lines, each.code, each.message) for each in findings]
    assert compare(findings, moved) == News((), ())


@given(FINDINGS, FINDINGS)
def test_a_finding_that_stayed_in_its_place_is_never_the_news_while_another_can_be(
    stayed: list[Finding], added: list[Finding]
) -> None:
    elsewhere = [finding(each.line + 100, each.code, each.message) for each in added]
    news = compare(stayed, stayed + elsewhere)
    assert Counter(news.appeared) == Counter(elsewhere)
    assert news.gone == ()


@given(FINDINGS, FINDINGS)
def test_news_is_in_order_of_place(earlier: list[Finding], later: list[Finding]) -> None:
    news = compare(earlier, later)
    for side in (news.appeared, news.gone):
        assert list(side) == sorted(side, key=lambda each: each.order)


def test_two_findings_in_one_place_count_as_two() -> None:
    twice = [finding(3), finding(3)]
    assert compare(twice, twice[:1]).gone == (finding(3),)
    assert compare([], twice).appeared == tuple(twice)


def test_a_finding_whose_words_changed_went_and_came() -> None:
    news = compare([finding(1, message="os unused")], [finding(1, message="re unused")])
    assert [each.message for each in news.gone] == ["os unused"]
    assert [each.message for each in news.appeared] == ["re unused"]
