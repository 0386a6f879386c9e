"""What the recorder calls new and gone."""

from konivrer_watch.core.events import FilesJudged, FilesRemoved
from konivrer_watch.core.model import Finding, Level, Outcome, Pass, Problem, ProblemKind, Trigger, Verdict
from konivrer_watch.daemon.recorder import Judgement, Recorder

PATH = b"a.py"
FOUND = Finding(5, 1, 5, 9, pass_=Pass.SECURITY, code="B602", name="shell", level=Level.WARNING, message="no")
ANSWERED = Verdict((FOUND,))
UNKNOWN = Verdict(problem=Problem(ProblemKind.ENGINE, "gave no answer", "wait"))
CLEAN = Verdict()


def told(*verdicts: Verdict | None) -> list[tuple[int, int]]:
    """Return how many findings are new and gone after each verdict of security; ``None``: the file is removed."""
    heard: list[Judgement] = []
    recorder = Recorder(lambda event, judgements, status: heard.extend(judgements))
    for verdict in verdicts:
        if verdict is None:
            recorder.record(FilesRemoved((PATH,)))
        else:
            outcome = Outcome(PATH, {}, {Pass.SECURITY: verdict}, frozenset(), Trigger.SAVE, 0)
            recorder.record(FilesJudged((outcome,)))
    return [(len(judgement.news.appeared), len(judgement.news.gone)) for judgement in heard]


def test_a_finding_is_new_once_and_gone_once() -> None:
    assert told(ANSWERED, ANSWERED, CLEAN, CLEAN) == [(1, 0), (0, 0), (0, 1), (0, 0)]


def test_a_pass_without_an_answer_takes_nothing_back_and_its_next_answer_is_compared_with_the_last() -> None:
    assert told(ANSWERED, UNKNOWN, UNKNOWN, ANSWERED) == [(1, 0), (0, 0), (0, 0), (0, 0)]
    assert told(ANSWERED, UNKNOWN, CLEAN) == [(1, 0), (0, 0), (0, 1)]
    assert told(UNKNOWN, ANSWERED) == [(0, 0), (1, 0)]


def test_a_removed_file_takes_its_findings_with_it() -> None:
    assert told(ANSWERED, None, ANSWERED) == [(1, 0), (0, 1), (1, 0)]
    assert told(ANSWERED, UNKNOWN, None) == [(1, 0), (0, 0), (0, 1)]


def test_a_removed_file_that_was_never_judged_is_no_news() -> None:
    assert told(None) == []
