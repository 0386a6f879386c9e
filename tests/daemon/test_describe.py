"""One problem is told once, and what was not looked at is counted."""

from konivrer_watch.core.events import ContextRead, Fault
from konivrer_watch.core.model import Pass, Problem, ProblemKind, Skip, Verdict
from konivrer_watch.core.status import FileState, Status, fold
from konivrer_watch.daemon.describe import describe, told_once
from konivrer_watch.report.verdicts import Timing

REFUSED = Problem(
    ProblemKind.CONFIGURATION, "Failed to parse /r/pkg/ruff.toml: TOML parse error at line 1", "correct it"
)
ELSEWHERE = Problem(ProblemKind.CONFIGURATION, "Failed to parse /etc/ruff.toml: it is bad", "correct it")
UNREADABLE = Problem(ProblemKind.UNREADABLE, "cannot be read: Permission denied", "check it")
MISSING = Problem(ProblemKind.ENGINE, "ruff is not installed", "install it")


def files(*problems: tuple[bytes, Pass, Problem]) -> Status:
    states: dict[bytes, FileState] = {}
    for path, pass_, problem in problems:
        before = states[path].verdicts if path in states else {}
        states[path] = FileState({}, {**before, pass_: Verdict(problem=problem)})
    return Status(files=states, swept="now", as_of="now")


def test_a_refused_configuration_is_one_problem_of_its_own_file_and_the_verdict_stays_incomplete() -> None:
    many = [(b"pkg/f%d.py" % number, Pass.LINT, REFUSED) for number in range(300)]
    status = fold(files(*many), ContextRead((Fault(b"pkg/ruff.toml", Pass.LINT, REFUSED),)))
    report = describe(b"/r", status, ran=300, cached=0, timing=Timing())
    assert report.problems == [(b"pkg/ruff.toml", Pass.LINT, REFUSED)]
    assert not report.complete
    assert describe(b"/r", files(*many), ran=300, cached=0, timing=Timing()).complete is False


def test_a_configuration_outside_the_root_is_one_problem_of_no_file() -> None:
    many = [(b"f%d.py" % number, Pass.LINT, ELSEWHERE) for number in range(3)]
    assert told_once(b"/r", many) == [(b"", Pass.LINT, ELSEWHERE)]
    assert told_once(b"/r", many[:1]) == [(b"f0.py", Pass.LINT, ELSEWHERE)]


def test_the_same_words_about_two_passes_are_two_problems() -> None:
    both = [(b"a.py", pass_, REFUSED) for pass_ in (Pass.LINT, Pass.SECURITY)]
    assert told_once(b"/r", both) == [
        (b"pkg/ruff.toml", pass_, REFUSED) for pass_ in (Pass.LINT, Pass.SECURITY)
    ]


def test_a_missing_engine_is_a_problem_of_each_file() -> None:
    each = [(b"a.py", Pass.LINT, MISSING), (b"b.py", Pass.LINT, MISSING)]
    assert told_once(b"/r", [*each, *each]) == each


def test_a_file_that_was_not_looked_at_is_one_problem_and_one_of_the_skipped() -> None:
    status = files(*[(b"closed.py", pass_, UNREADABLE) for pass_ in Pass])
    report = describe(b"/r", status, ran=0, cached=0, timing=Timing())
    assert report.problems == [(b"closed.py", None, UNREADABLE)]
    assert report.skipped == [Skip(b"closed.py", UNREADABLE.message)]
    assert (report.files.skipped, report.complete) == (1, False)
