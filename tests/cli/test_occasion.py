"""What comes of one occasion is told together, and what a person touched at once."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.cli.occasion import Occasion
from konivrer_watch.core.events import ChangesSeen, FilesJudged
from konivrer_watch.core.model import Change, ChangeKind, Finding, Trigger
from konivrer_watch.core.news import News, compare
from konivrer_watch.core.status import FileState
from tests.cli.hearing import DRAINED, SWEPT, gone, heard, judged, removed, said
from tests.report.samples import JOIN, LOST, SHELL, UNUSED


def test_a_change_of_configuration_is_one_line_with_the_worst_below() -> None:
    steered = ChangesSeen((Change(b"a/ruff.toml", ChangeKind.MODIFIED, None),))
    batches = [
        heard(*[judged(each, Trigger.CONFIGURATION, UNUSED) for each in range(first, first + 64)])
        for first in (0, 64, 128)
    ]
    away = [removed(b"g%d.py" % number, UNUSED, UNUSED) for number in range(30)]
    told = said((DRAINED, SWEPT), (steered, SWEPT), *batches, gone(*away), (DRAINED, SWEPT))
    assert told[2].endswith("  configuration changed: 222 files, 192 new, 60 gone (2.1 s)")
    assert len(told) == 2 + 1 + 10 + 1


def test_what_a_person_saved_or_removed_is_told_at_once_up_to_twenty_files() -> None:
    saves = heard(*[judged(number, Trigger.SAVE, UNUSED) for number in range(20)])
    assert sum(".py  1 new  (lint" in line for line in said((DRAINED, SWEPT), saves)) == 20
    away = gone(*[removed(b"%d.py" % number, UNUSED) for number in range(20)])
    assert sum("1 gone  (removed)" in line for line in said((DRAINED, SWEPT), away)) == 20


def test_more_saves_than_twenty_are_told_together_with_those_that_follow() -> None:
    many = [judged(number, Trigger.SAVE, UNUSED) for number in range(70)]
    told = said((DRAINED, SWEPT), heard(*many[:64]), heard(*many[64:]), (DRAINED, SWEPT))
    assert told[2].endswith("  saved: 70 files, 70 new, 0 gone (2.1 s)")
    assert said((DRAINED, SWEPT), heard(*many[:64]))[2:] == []


@pytest.mark.parametrize(
    ("trigger", "why"),
    [(Trigger.CONFIGURATION, "other files changed"), (Trigger.SWEEP, "files changed")],
)
def test_without_a_configuration_that_was_touched_none_is_blamed(trigger: Trigger, why: str) -> None:
    told = said((DRAINED, SWEPT), heard(judged(1, trigger, UNUSED)), (DRAINED, SWEPT))
    assert told[2].endswith(f"  {why}: 1 file, 1 new, 0 gone (2.1 s)")


def test_what_was_judged_again_and_is_as_before_is_not_told() -> None:
    same = heard(judged(1, Trigger.CONFIGURATION), judged(2, Trigger.SWEEP))
    assert said((DRAINED, SWEPT), same, (DRAINED, SWEPT))[2:] == []


def test_a_problem_that_comes_without_a_save_is_told_once() -> None:
    again = heard(judged(1, Trigger.SWEEP, problem=LOST))
    told = said((DRAINED, SWEPT), again, (DRAINED, SWEPT), again, (DRAINED, SWEPT))
    assert told[2].endswith("  files changed: 1 file, 1 INCOMPLETE, 0 new, 0 gone (2.1 s)")
    assert told[3:] == ["  problem m0001.py (lint): bandit did not answer", "    hint: run again"]


def test_a_problem_that_the_summary_named_is_not_told_again_when_nothing_changed() -> None:
    again = judged(1, Trigger.SWEEP, problem=LOST)
    assert again.outcome is not None
    files = {again.path: FileState({}, again.outcome.verdicts)}
    status = msgspec.structs.replace(SWEPT, files=files)
    told = said((DRAINED, status), (FilesJudged((again.outcome,)), status, (again,)), (DRAINED, status))
    assert sum("bandit did not answer" in line for line in told) == 1


def test_collecting_ends_after_five_seconds_though_the_queue_is_never_empty() -> None:
    occasion = Occasion()
    assert occasion.sort([judged(1, Trigger.SWEEP, UNUSED)], 100.0) == []
    assert not occasion.is_over(104.9)
    assert occasion.is_over(105.0)
    assert [each.path for each in occasion.take()[1]] == [b"m0001.py"]
    assert not occasion.is_over(200.0)
    assert occasion.sort([judged(2, Trigger.SWEEP, UNUSED)], 200.0) == []
    assert not occasion.is_over(204.0)


def test_a_configuration_is_blamed_for_what_follows_it_within_five_seconds_and_no_later() -> None:
    occasion = Occasion()
    occasion.note_changes([Change(b".gitignore", ChangeKind.MODIFIED, None)], 10.0)
    occasion.sort([judged(1, Trigger.SWEEP, UNUSED)], 14.0)
    occasion.sort([judged(2, Trigger.SWEEP, UNUSED)], 18.0)
    assert occasion.take()[0] == "configuration changed"
    occasion.sort([judged(3, Trigger.SWEEP, UNUSED)], 23.0)
    assert occasion.take()[0] == "files changed"


def test_what_came_and_went_again_before_it_was_told_did_not_happen() -> None:
    occasion = Occasion()
    occasion.sort([judged(1, Trigger.CONFIGURATION, UNUSED)], 0.0)
    back = msgspec.structs.replace(judged(1, Trigger.CONFIGURATION), news=News((), (UNUSED,)))
    occasion.sort([back], 1.0)
    assert occasion.take()[1] == []


def test_a_save_tells_at_once_what_was_still_to_be_told_of_its_file() -> None:
    occasion = Occasion()
    occasion.sort([judged(1, Trigger.CONFIGURATION, UNUSED)], 0.0)
    (told,) = occasion.sort([judged(1, Trigger.SAVE, SHELL)], 1.0)
    assert told.news.appeared == (UNUSED, SHELL)
    assert occasion.take()[1] == []


def test_a_problem_that_was_not_told_yet_is_told_though_it_came_twice() -> None:
    occasion = Occasion()
    for now in (0.0, 1.0):
        occasion.sort([judged(1, Trigger.SWEEP, problem=LOST)], now)
    assert [each.path for each in occasion.take()[1]] == [b"m0001.py"]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2), st.sets(st.sampled_from([UNUSED, SHELL, JOIN])), st.sampled_from(Trigger)
        )
    )
)
def test_all_that_is_told_adds_up_to_what_holds(steps: list[tuple[int, set[Finding], Trigger]]) -> None:
    occasion = Occasion()
    holds: dict[bytes, set[Finding]] = {}
    heard: dict[bytes, set[Finding]] = {}
    for now, (number, findings, trigger) in enumerate(steps):
        judgement = judged(number, trigger, *findings)
        before = holds.get(judgement.path, set())
        holds[judgement.path] = findings
        judgement = msgspec.structs.replace(judgement, news=compare(before, findings))
        told = occasion.sort([judgement], float(now))
        if occasion.is_over(float(now)) or now == len(steps) - 1:
            told += occasion.take()[1]
        for each in told:
            known = heard.setdefault(each.path, set())
            assert known >= set(each.news.gone)
            assert known.isdisjoint(each.news.appeared)
            heard[each.path] = (known - set(each.news.gone)) | set(each.news.appeared)
    assert {path: each for path, each in holds.items() if each} == {
        path: each for path, each in heard.items() if each
    }
