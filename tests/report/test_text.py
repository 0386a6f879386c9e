"""The terminal text is safe to print and tells what was found, what was not looked at, and why."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Finding, Pass, Skip
from konivrer_watch.report.text import count, duration, escape, path_text, to_text
from konivrer_watch.report.verdicts import FileCounts, Report, Timing
from tests.report.samples import LOST, SAMPLE, SHELL, UNUSED, reports

BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"\u061c", "\u200e", "\u200f"}


def is_unsafe(sign: str) -> bool:
    return (
        unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(sign) in BIDIRECTIONAL
        or sign in MARKS
    )


@given(st.text(st.characters(exclude_categories=[])))
def test_escaped_text_holds_no_control_and_keeps_everything_else(text: str) -> None:
    escaped = escape(text)
    assert not any(is_unsafe(sign) for sign in escaped)
    assert len(escaped.splitlines()) <= 1
    kept = "".join(sign for sign in text if not is_unsafe(sign))
    assert escaped == text if kept == text else len(escaped) > len(kept)


def test_every_unsafe_character_of_unicode_is_escaped_and_no_other() -> None:
    for point in range(0x110000):
        sign = chr(point)
        assert (escape(sign) != sign) == is_unsafe(sign), hex(point)


def test_escapes_show_the_code_point() -> None:
    assert escape("a\n\x1b[2J\x9b\u202e\ud800é") == "a\\x0a\\x1b[2J\\x9b\\u202e\\ud800é"


@given(st.binary())
def test_a_path_as_text_is_utf8_or_shows_its_bytes(path: bytes) -> None:
    text = path_text(path)
    assert text == path.decode(errors="backslashreplace")
    text.encode()


def test_an_invalid_byte_of_a_path_shows_as_hexadecimal() -> None:
    assert path_text(b"d\xc3\xa9/\xff\xfe.py") == "dé/\\xff\\xfe.py"


def test_the_sample_prints_like_this() -> None:
    assert to_text(SAMPLE, color=False).splitlines() == [
        "n.ipynb:cell 2:1:1: E402 late",
        "",
        "pkg/a.py:1:8: F401 [unused-import] `os` imported but unused [*]",
        "pkg/a.py:3:1: B602 [subprocess_popen_with_shell_equals_true] subprocess call with shell=True"
        " identified, security issue.",
        "",
        "pkg/b.py:2:5: OPT101 [join-genexp] a list is faster here",
        "",
        "skipped big.py: larger than 1024 kB",
        "skipped link.py: symbolic link out of the root",
        "",
        "problem bad.py (security): cannot be parsed: line 3",
        "  hint: add it to exclude",
        "",
        "4 findings (1 error, 2 warnings, 1 note; 1 fixable [*]), 3 suppressed; 12 files checked,"
        " 1,100 cached, 2 skipped; 1.2 s; INCOMPLETE as of 2026-01-01T00:00:00Z:"
        " 1 problem and 1 file skipped",
    ]


def test_a_clean_tree_prints_one_line() -> None:
    report = Report("/r", True, "2026-01-01T00:00:00Z", FileCounts(cached=7), timing_ms=Timing(total=41))
    assert (
        to_text(report, color=False)
        == "no findings; 0 files checked, 7 cached; 41 ms; complete as of 2026-01-01T00:00:00Z"
    )


def test_an_incomplete_tree_without_a_problem_says_so_too() -> None:
    text = to_text(Report("/r", False, "2026-01-01T00:00:00Z"), color=False)
    assert text.endswith("INCOMPLETE as of 2026-01-01T00:00:00Z: the run did not reach every file")


def test_one_problem_of_many_files_is_told_once_and_names_ten() -> None:
    problems = tuple((b"%02d.py" % number, Pass.SECURITY, LOST) for number in range(12))
    whole = ((b"", None, LOST),)
    lines = to_text(Report("/r", False, "t", problems=problems + whole), color=False).splitlines()
    assert lines[:-2] == [
        "problem: bandit did not answer",
        "  hint: run again",
        "problem 12 files (security): bandit did not answer",
        *[f"  {number:02d}.py" for number in range(10)],
        "  and 2 more (--format json names all)",
        "  hint: run again",
    ]


@given(reports)
def test_any_report_prints_without_control_characters_and_with_every_finding(report: Report) -> None:
    lines = to_text(report, color=False).split("\n")
    assert not any(is_unsafe(sign) for line in lines for sign in line)
    for path, finding in report.findings:
        name = escape(path_text(path))
        assert any(
            line.startswith(f"{name}:")
            and f":{finding.line}:{finding.column}: {escape(finding.code)}" in line
            for line in lines
        )
    assert ("INCOMPLETE" in lines[-1]) == (not report.complete)


@given(reports)
def test_colours_change_nothing_but_colours(report: Report) -> None:
    plain = to_text(report, color=False)
    coloured = to_text(report, color=True)
    for code in ("1", "2", "31", "32", "33", "36", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


@pytest.mark.parametrize(("finding", "code"), [(SHELL, "31"), (UNUSED, "33")])
def test_the_code_has_the_colour_of_its_level(finding: Finding, code: str) -> None:
    report = Report("/r", True, "t", findings=((b"a.py", finding),))
    assert f"\x1b[{code}m" in to_text(report, color=True).splitlines()[0]


def test_a_skip_that_the_verdict_is_whole_without_is_not_a_reason() -> None:
    report = Report("/r", False, "t", skipped=(Skip(b"l.py", "link", True),))
    assert to_text(report, color=False).endswith("INCOMPLETE as of t: the run did not reach every file")


def test_a_skipped_file_with_a_problem_is_told_once_with_its_hint() -> None:
    report = Report(
        "/r", False, "t", skipped=(Skip(b"a.py", LOST.message),), problems=((b"a.py", None, LOST),)
    )
    assert to_text(report, color=False).splitlines() == [
        "problem a.py: bandit did not answer",
        "  hint: run again",
        "",
        "no findings; 0 files checked, 0 cached; 0 ms; INCOMPLETE as of t: 1 problem",
    ]


def test_numbers_read_as_people_write_them() -> None:
    assert [count(number, "file") for number in (0, 1, 1200)] == ["0 files", "1 file", "1,200 files"]
    assert [duration(number) for number in (0, 999, 1000, 61_250)] == ["0 ms", "999 ms", "1.0 s", "61.2 s"]
