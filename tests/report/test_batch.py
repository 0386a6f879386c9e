"""Verdicts that came together are told each by itself, or as one summary; what is wrong with many stands once."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Finding, Pass, Problem, ProblemKind
from konivrer_watch.report.batch import occasion_text, verdicts_text
from konivrer_watch.report.events import VerdictLine, event_text
from konivrer_watch.report.troubles import Told, gathered, trouble_lines
from tests.report.samples import BROKEN, JOIN, LOST, SHELL, UNUSED, findings, paths, problems

AT = "2026-01-01T23:30:15Z"
some = st.lists(findings, max_size=3)


def verdict(
    path: bytes, appeared: Sequence[Finding] = (), gone: Sequence[Finding] = (), took: int = 41
) -> VerdictLine:
    passes = (Pass.LINT,)
    return VerdictLine(AT, path, passes, True, appeared, appeared, gone, "save", took)


def broken(path: bytes, *wrong: Problem) -> VerdictLine:
    each = [(Pass.LINT, problem) for problem in wrong]
    return msgspec.structs.replace(verdict(path), complete=False, problems=each)


def troubles(*verdicts: VerdictLine) -> list[Told]:
    return [(one.path, pass_, problem) for one in verdicts for pass_, problem in one.problems]


def test_each_verdict_stands_by_itself_with_what_is_wrong_with_it_alone() -> None:
    batch = [verdict(b"a.py", [UNUSED]), broken(b"b.py", BROKEN), verdict(b"c.py", gone=[JOIN])]
    text = verdicts_text(batch, troubles(*batch), color=False)
    assert text == "\n".join(event_text(one, color=False) for one in batch)
    assert verdicts_text([], [], color=False) == ""


def test_what_is_wrong_with_several_stands_once_below_them() -> None:
    batch = [broken(b"a.py", LOST), broken(b"b.py", LOST, BROKEN)]
    assert verdicts_text(batch, troubles(*batch), color=False).splitlines() == [
        "23:30:15  a.py  INCOMPLETE  (lint, 41 ms)",
        "23:30:15  b.py  INCOMPLETE  (lint, 41 ms)",
        "  problem (lint): cannot be parsed: line 3",
        "    hint: add it to exclude",
        "  problem 2 files (lint): bandit did not answer",
        "    a.py",
        "    b.py",
        "    hint: run again",
    ]


def test_what_is_wrong_with_no_file_stands_below_all() -> None:
    text = verdicts_text([verdict(b"a.py")], [(b"", Pass.LINT, LOST)], color=False)
    assert text.splitlines()[1:] == ["  problem (lint): bandit did not answer", "    hint: run again"]


def test_an_occasion_says_why_counts_and_names_the_worst_ten() -> None:
    batch = [verdict(b"%02d.py" % number, [SHELL, UNUSED], [JOIN], 100 * number) for number in range(22)]
    batch[3] = msgspec.structs.replace(batch[3], complete=False)
    assert occasion_text(
        "configuration changed", batch, [(b"03.py", None, LOST)], color=False
    ).splitlines() == [
        "23:30:15  configuration changed: 22 files, 1 INCOMPLETE, 44 new, 22 gone (2.1 s)",
        *[f"  + {number:02d}.py:3:1: B602 [{SHELL.name}] {SHELL.message}" for number in range(10)],
        "  and 34 more new",
        "  problem 03.py: bandit did not answer",
        "    hint: run again",
    ]


def test_an_occasion_without_anything_new_names_three_that_went() -> None:
    batch = [verdict(b"%d.py" % number, gone=[UNUSED]) for number in range(5)]
    assert occasion_text("removed", batch, [], color=False).splitlines() == [
        "23:30:15  removed: 5 files, 0 new, 5 gone (41 ms)",
        *[f"  - {number}.py:1:8: F401 [unused-import] `os` imported but unused [*]" for number in range(3)],
        "  and 2 more gone",
    ]


@given(st.lists(st.builds(verdict, paths, some, some), min_size=1, max_size=30))
def test_an_occasion_counts_every_finding_and_shows_few(batch: list[VerdictLine]) -> None:
    rows = occasion_text("saved", batch, [], color=False).splitlines()
    new, gone = (sum(map(len, each)) for each in ([v.appeared for v in batch], [v.gone for v in batch]))
    assert f", {new:,} new, {gone:,} gone (" in rows[0]
    assert sum(row.startswith("  + ") for row in rows) == min(10, new)
    assert sum(row.startswith("  - ") for row in rows) == (0 if new else min(3, gone))
    assert len(rows) <= 12


@given(st.lists(st.tuples(paths | st.just(b""), st.none() | st.sampled_from(Pass), problems), max_size=40))
def test_any_problems_take_a_bounded_number_of_lines_and_each_is_shown_once(wrong: list[Told]) -> None:
    lines = trouble_lines(gathered(wrong), color=False)
    different = len(
        {
            (path, problem.kind) if problem.kind is ProblemKind.UNPARSABLE else (pass_, problem)
            for path, pass_, problem in wrong
        }
    )
    assert sum(line.startswith("problem") for line in lines) == min(10, different)
    assert ("more problem" in lines[-1] if lines else False) == (different > 10)
    assert len(lines) <= 10 * 13 + 1
