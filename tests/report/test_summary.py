"""The summary names the worst, what is wrong and what was skipped, and never more than a screen of it."""

import msgspec

from konivrer_watch.core.model import Finding, Pass, Skip, Verdict
from konivrer_watch.core.status import FileState, Status
from konivrer_watch.report.summary import skip_lines, summary_text
from konivrer_watch.report.troubles import Told
from tests.report.samples import LOST, SHELL, UNUSED


def status(*findings: Finding, skipped: tuple[Skip, ...] = ()) -> Status:
    files = {b"a.py": FileState({}, {Pass.LINT: Verdict(findings)})}
    return Status(files=files, swept="x", as_of="x", skipped=skipped)


def summary(status: Status, *, wrong: int = 0) -> list[str]:
    troubles: list[Told] = [
        (b"%d.py" % number, None, msgspec.structs.replace(LOST, message=str(number)))
        for number in range(wrong)
    ]
    return summary_text(status, troubles, 6100, "konivrer-watch status --findings", color=False).splitlines()


def test_errors_are_named_and_a_hint_tells_where_all_findings_are() -> None:
    assert summary(status(UNUSED, SHELL)) == [
        "checked 1 file in 6.1 s: 1 error, 1 warning, 0 notes; watching",
        f"  a.py:3:1: B602 [{SHELL.name}] {SHELL.message}",
        "konivrer-watch status --findings lists them",
    ]


def test_no_more_than_ten_errors_are_named() -> None:
    many = [msgspec.structs.replace(SHELL, line=line) for line in range(1, 13)]
    lines = summary(status(*many))
    assert sum("B602" in line for line in lines) == 10
    assert lines[11] == "and 2 more errors"


def test_where_nothing_was_found_there_is_nothing_to_list() -> None:
    assert summary(status()) == ["checked 1 file in 6.1 s: 0 errors, 0 warnings, 0 notes; watching"]


def test_no_more_than_ten_problems_and_ten_skipped_files_are_named() -> None:
    skips = tuple([Skip(b"%02d.py" % number, "Permission denied") for number in range(11)])
    lines = summary(status(skipped=skips), wrong=11)
    assert sum(line.startswith("problem ") for line in lines) == 10
    assert "and 1 more problem" in lines
    assert lines[-2:] == ["skipped 09.py: Permission denied", "and 1 more skipped"]


def test_what_is_missing_from_the_verdict_is_named_before_what_is_not() -> None:
    links = [Skip(b"a%02d.py" % number, "symbolic link out of the root", True) for number in range(20)]
    assert skip_lines([*links, Skip(b"z", "Permission denied")])[0] == "skipped z: Permission denied"
