"""The status is what its events say, and "complete" means that every question was answered."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.events import (
    ChangesSeen,
    ContextRead,
    Event,
    EventsMissed,
    Fault,
    FilesJudged,
    FilesRemoved,
    LogsChecked,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    QueueDrained,
    SourceChanged,
    Stalled,
    SweepFinished,
    WorkPaused,
    WorkResumed,
)
from konivrer_watch.core.model import (
    Finding,
    Level,
    Outcome,
    Pass,
    Problem,
    ProblemKind,
    Skip,
    Trigger,
    Verdict,
)
from konivrer_watch.core.status import State, Status, fold

FINDING = Finding(1, 1, 1, 2, Pass.LINT, "F401", "unused-import", Level.WARNING, "m")
PROBLEM = Problem(ProblemKind.TOO_LARGE, "larger than 1024 kB", "exclude it")
CLEAN = Verdict()
VERDICTS = st.builds(
    Verdict,
    st.lists(st.just(FINDING), max_size=2).map(tuple),
    st.integers(0, 2),
    st.none() | st.builds(Problem, st.sampled_from(ProblemKind), st.just("m"), st.just("h")),
)
PATHS = st.sampled_from([b"a.py", b"b.py", b"\xff.py"])
INSTANTS = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"])


def outcome(path: bytes, verdicts: dict[Pass, Verdict]) -> Outcome:
    return Outcome(path, dict.fromkeys(verdicts, b"key"), verdicts, frozenset(), Trigger.SAVE, 1)


OUTCOMES = st.builds(outcome, PATHS, st.dictionaries(st.sampled_from(Pass), VERDICTS))
SKIPS = st.builds(Skip, PATHS, st.just("larger than 1024 kB"), st.booleans())
FAULTS = st.builds(Fault, PATHS, st.none() | st.sampled_from(Pass), st.just(PROBLEM))
EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.builds(FilesJudged, st.lists(OUTCOMES, max_size=2).map(tuple)),
        st.builds(FilesRemoved, st.lists(PATHS, max_size=2).map(tuple)),
        st.builds(SweepFinished, INSTANTS, st.lists(SKIPS, max_size=2).map(tuple), st.integers(0, 1)),
        st.builds(ProbeSeen, INSTANTS),
        st.builds(ProbeMissed, st.just("not seen")),
        st.builds(ProbeUnwritten, st.just("disk full")),
        st.builds(EventsMissed, st.integers(1, 3), PATHS),
        st.builds(LogsChecked, st.none() | st.just("disk full")),
        st.builds(Stalled, st.none() | st.just("no progress")),
        st.builds(ContextRead, st.lists(FAULTS, max_size=1).map(tuple)),
        st.builds(WorkPaused, st.just("CPU at 90 %"), INSTANTS),
        st.builds(SourceChanged, st.none() | st.just("watchfiles: lost")),
        st.sampled_from([WorkResumed(), QueueDrained(), ChangesSeen(())]),
    ),
    max_size=20,
)


def folded(*events: Event) -> Status:
    status = Status()
    for event in events:
        status = fold(status, event)
    return status


@given(EVENTS)
def test_as_of_is_the_beginning_of_the_last_sweep_before_the_last_time_the_queue_was_drained(
    events: list[Event],
) -> None:
    drained = [place for place, event in enumerate(events) if isinstance(event, QueueDrained)]
    before = events[: drained[-1]] if drained else []
    sweeps = [event.at for event in before if isinstance(event, SweepFinished)]
    assert folded(*events).as_of == (sweeps[-1] if sweeps else None)


@given(EVENTS)
def test_complete_is_false_exactly_where_a_question_was_not_answered(events: list[Event]) -> None:
    status = folded(*events)
    unanswered = [
        verdict
        for file in status.files.values()
        for verdict in file.verdicts.values()
        if verdict.problem is not None
    ]
    missing = [skip for skip in status.skipped if not skip.complete]
    assert status.complete == (
        status.as_of is not None and not unanswered and not missing and not status.faults
    )


@given(EVENTS)
def test_files_hold_the_latest_verdicts_of_what_was_judged_and_not_removed_since(events: list[Event]) -> None:
    expected: dict[bytes, dict[Pass, Verdict]] = {}
    for event in events:
        if isinstance(event, FilesJudged):
            expected |= {each.path: each.verdicts for each in event.outcomes}
        if isinstance(event, FilesRemoved):
            for path in event.paths:
                expected.pop(path, None)
    status = folded(*events)
    assert {path: file.verdicts for path, file in status.files.items()} == expected
    assert sum(status.count().values()) == sum(
        len(verdict.findings) for verdicts in expected.values() for verdict in verdicts.values()
    )
    assert sum(status.suppressed().values()) == sum(
        verdict.suppressed for verdicts in expected.values() for verdict in verdicts.values()
    )


@given(EVENTS)
def test_every_unanswered_question_is_named_once(events: list[Event]) -> None:
    status = folded(*events)
    named = list(status.problems)
    assert named[: len(status.faults)] == [(each.path, each.pass_, each.problem) for each in status.faults]
    assert len(named) == len(status.faults) + sum(
        verdict.problem is not None for file in status.files.values() for verdict in file.verdicts.values()
    )


@given(EVENTS)
def test_folding_leaves_the_earlier_status_as_it_was(events: list[Event]) -> None:
    statuses = [Status()]
    copies = [msgspec.msgpack.encode(Status())]
    for event in events:
        statuses.append(fold(statuses[-1], event))
        copies.append(msgspec.msgpack.encode(statuses[-1]))
    assert [msgspec.msgpack.encode(status) for status in statuses] == copies


SWEPT = SweepFinished("2026-01-01T00:00:00Z", ())
PAUSED = WorkPaused("CPU at 90 %", "2026-01-01T00:00:00Z")
LOST = SourceChanged("watchfiles: lost")


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), State.STARTING),
        ((LOST,), State.STARTING),
        ((SWEPT,), State.CHECKING),
        ((SWEPT, LOST), State.CHECKING),
        ((SWEPT, QueueDrained()), State.WATCHING),
        ((SWEPT, QueueDrained(), SWEPT), State.WATCHING),
        ((SWEPT, QueueDrained(), LOST), State.DEGRADED),
        ((SWEPT, QueueDrained(), LOST, SourceChanged(None)), State.WATCHING),
        ((PAUSED,), State.PAUSED),
        ((SWEPT, QueueDrained(), LOST, PAUSED), State.PAUSED),
        ((SWEPT, QueueDrained(), LOST, PAUSED, WorkResumed()), State.DEGRADED),
        ((SWEPT, QueueDrained(), ProbeMissed("not seen")), State.DEGRADED),
        ((SWEPT, QueueDrained(), ProbeMissed("not seen"), ProbeSeen("now")), State.WATCHING),
        ((SWEPT, QueueDrained(), ProbeUnwritten("disk full"), LogsChecked("disk full")), State.WATCHING),
        ((SWEPT, QueueDrained(), PAUSED, Stalled("no progress")), State.FAILED),
        ((SWEPT, QueueDrained(), Stalled("no progress"), Stalled(None)), State.WATCHING),
    ],
)
def test_a_pause_outranks_progress_and_progress_outranks_the_source(
    events: tuple[Event, ...], state: State
) -> None:
    assert folded(*events).state is state


def test_nothing_is_complete_before_the_first_sweep_was_worked_off() -> None:
    judged = FilesJudged((outcome(b"a.py", {Pass.LINT: CLEAN}),))
    assert not folded(judged).complete
    assert not folded(QueueDrained(), judged).complete
    assert not folded(SWEPT, judged).complete
    assert folded(SWEPT, judged, QueueDrained()).complete


def test_what_the_user_excluded_leaves_the_verdict_complete() -> None:
    skips = (Skip(b"link.py", "symbolic link out of the root", complete=True),)
    assert folded(SweepFinished("2026-01-01T00:00:00Z", skips), QueueDrained()).complete


def test_a_file_that_two_passes_could_not_survive_is_quarantined_once() -> None:
    problem = Verdict(problem=Problem(ProblemKind.QUARANTINED, "m", "h"))
    verdicts = {Pass.SECURITY: problem, Pass.OPTIMIZE: problem}
    status = folded(
        FilesJudged((outcome(b"a.py", verdicts), outcome(b"b.py", {Pass.LINT: Verdict(problem=PROBLEM)})))
    )
    assert status.quarantined == 1


def test_every_level_and_every_pass_is_counted_even_at_zero() -> None:
    assert folded().count() == {Level.ERROR: 0, Level.WARNING: 0, Level.NOTE: 0}
    assert folded().suppressed() == dict.fromkeys(Pass, 0)


MISSED = EventsMissed(2, b"pkg/\xff.py")
DOUBTFUL = SweepFinished("2026-01-01T00:00:00Z", (), unannounced=1)


@pytest.mark.parametrize(
    ("events", "is_deaf"),
    [
        ((MISSED,), True),
        ((MISSED, ProbeSeen("now")), True),
        ((MISSED, SWEPT), True),
        ((MISSED, DOUBTFUL, ProbeSeen("now")), True),
        ((MISSED, SWEPT, ProbeSeen("now")), False),
        ((MISSED, SWEPT, MISSED, ProbeSeen("now")), True),
        ((DOUBTFUL, ProbeSeen("now")), False),
    ],
)
def test_a_source_that_missed_something_is_believed_after_a_clean_sweep_and_a_probe_that_was_seen(
    events: tuple[Event, ...], is_deaf: bool
) -> None:
    assert (folded(*events).deaf is not None) is is_deaf


@given(EVENTS)
def test_what_was_missed_is_counted_for_good_and_a_source_that_missed_it_is_named_deaf(
    events: list[Event],
) -> None:
    status = folded(*events)
    missed = [event.count for event in events if isinstance(event, EventsMissed)]
    assert status.missed == sum(missed)
    assert status.deaf is None or status.degraded is not None


def test_an_example_of_what_was_missed_is_named_whatever_its_bytes_are() -> None:
    assert "2 changes, pkg/\\xff.py among them," in str(folded(MISSED).degraded)
    assert "the change of a.py came without" in str(folded(EventsMissed(1, b"a.py")).degraded)


def test_a_probe_that_cannot_be_written_is_told_until_one_is_seen_or_missed() -> None:
    assert folded(ProbeUnwritten("disk full")).probe_fault == "disk full"
    assert folded(ProbeUnwritten("disk full"), ProbeSeen("now")).probe_fault is None
    assert folded(ProbeUnwritten("disk full"), ProbeMissed("not seen")).probe_fault is None
