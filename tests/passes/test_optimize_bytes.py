"""Bytes of every kind have a verdict: decoded as Python decodes them, or a problem that says why not."""

import ast
import encodings.aliases
import time
import warnings
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.core.model import ProblemKind, Verdict
from konivrer_watch.passes.optimize.source import Source
from tests.passes.test_optimize_edits import ENGINE, apply_edits, assert_sound, edits_of, modules

BOM = b"\xef\xbb\xbf"
HIT = "s = '\u00e9', tuple(x for x in xs)"

READ = [
    pytest.param("utf-8", HIT, 1, id="utf-8"),
    pytest.param("utf-8-sig", HIT, 1, id="utf-8 with a mark"),
    pytest.param("utf-8-sig", f"# coding: utf-8\n{HIT}", 2, id="a mark and a coding line"),
    pytest.param("latin-1", f"# coding: latin-1\n{HIT}", 2, id="latin-1"),
    pytest.param(
        "latin-1", f"# -*- coding: latin-1 -*- \u00e9\n{HIT}", 2, id="a coding line that is not UTF-8"
    ),
    pytest.param(
        "latin-1", f"#!/usr/bin/python \u00e9\n# vim: set fileencoding=latin-1 :\n{HIT}", 3, id="second line"
    ),
    pytest.param("latin-1", f"# coding: latin-1\r\n{HIT}\r\n", 2, id="latin-1 with CRLF"),
    pytest.param("latin-1", f"# coding: latin-1\r{HIT}\r", 2, id="latin-1 with CR"),
    pytest.param("cp1252", f"# coding: cp1252\n'\u20ac'\n{HIT}", 3, id="cp1252"),
    pytest.param(
        "shift_jis",
        f"# coding: shift_jis\n'\u8868'\n{HIT.replace(chr(0xE9), chr(0x8868))}",
        3,
        id="shift_jis",
    ),
    pytest.param("utf-8", f"# coding: utf8\n{HIT}", 2, id="an alias of UTF-8"),
    pytest.param("utf-8", f"\f\n\f{HIT}", 2, id="form feeds"),
    pytest.param("utf-8", f"a = 1\r\nb = 2\rc = 3\n{HIT}", 4, id="mixed line endings"),
    pytest.param("utf-8", f"'''\u2028\x85\x0b\x1c'''\n{HIT}", 2, id="what is no line ending to Python"),
    pytest.param("utf-8", f"if x:\n\t\f\t{HIT}", 2, id="indented by tab, form feed, tab"),
]


@pytest.mark.parametrize(("encoding", "text", "line"), READ)
def test_places_are_code_points_and_edits_fit_whatever_the_encoding(
    encoding: str, text: str, line: int
) -> None:
    data = text.encode(encoding)
    verdict = ENGINE.judge(data)
    (finding,) = verdict.findings
    assert verdict.problem is None
    assert ENGINE.judge(data, ast.parse(data)) == verdict
    content = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[line - 1]
    start = content.index("tuple")
    assert (finding.line, finding.column) == (line, start + 1)
    assert (finding.end_line, finding.end_column) == (line, content.index("xs)") + 4)
    assert apply_edits(text, edits_of(verdict)) == text.replace("(x for x in xs)", "([x for x in xs])")


def test_columns_count_code_points_not_bytes_or_utf16() -> None:
    text = "\u03bb = '\U0001f40d', tuple(x for x in '\U0001f40d\u00e9') ; \u00e9 = set(x for x in \u03bb)\n"
    verdict = ENGINE.judge(text.encode())
    assert [(found.column, found.end_column) for found in verdict.findings] == [(10, 32), (39, 56)]
    assert_sound(text)


def test_a_finding_in_an_fstring_stands_at_the_outermost_fstring() -> None:
    text = "'\u00e9', f'''\u00e9\n\n{','.join(x for x in xs)}{f\"{set(x for x in xs)}\"}'''\n"
    found = ENGINE.judge(text.encode()).findings
    assert [finding.code for finding in found] == ["OPT101", "OPT103"]
    assert {(finding.line, finding.column, finding.end_line) for finding in found} == {(1, 6, 3)}
    assert all(finding.message.endswith("; not rewritten: it stands inside an f-string") for finding in found)


def told(data: bytes) -> str:
    verdict = ENGINE.judge(data)
    assert (verdict.findings, verdict.suppressed) == ((), 0)
    assert verdict.problem is not None and verdict.problem.kind is ProblemKind.UNPARSABLE
    assert verdict.problem.hint.startswith("the optimize pass reads the grammar of Python 3.")
    return verdict.problem.message.removeprefix("cannot be parsed: ")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x = 1\ny = (\n", "line 2: '(' was never closed"),
        (b"x = 1\n  y = 2\n", "line 2: unexpected indent"),
        (b"x = 1\r\n\xff\r\n", "line 2: byte 0xff is not utf-8"),
        (BOM + b"# \xe9\n", "line 1: byte 0xe9 is not utf-8"),
        (b"x = 1\rx = 2\r# caf\xe9", "line 3: byte 0xe9 is not utf-8"),
        (b"# coding: ascii\n\xe9", "line 2: byte 0xe9 is not ascii"),
        (b"# coding: klingon\n", "unknown encoding: klingon"),
        (BOM + b"# coding: latin-1\n", "encoding problem: utf-8"),
        (
            b"# coding: hex\n00",
            "'hex' is not a text encoding; use codecs.decode() to handle arbitrary codecs",
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(data: bytes, reason: str) -> None:
    assert told(data) == reason


def test_nul_bytes_are_a_problem() -> None:
    assert "null bytes" in told(b"x = 1\x00\n")


def test_syntax_newer_than_any_interpreter_is_a_problem() -> None:
    assert told(b"x = 1\nnewer x = 1\n").startswith("line 2: ")


@pytest.mark.parametrize(
    "data",
    [b"x" + b".b" * 100_000, b"(" * 5000 + b")" * 5000, b"-" * 100_000 + b"1", b"1" + b"+1" * 100_000,
     b"[" * 150],
    ids=["attributes", "brackets", "signs", "sums", "unclosed brackets"],
)  # fmt: skip
def test_nesting_beyond_the_interpreter_is_a_problem(data: bytes) -> None:
    assert told(data)


def test_nesting_that_the_interpreter_still_reads_is_judged() -> None:
    nested = "x"
    for _ in range(80):
        nested = f"tuple({nested} for x in xs)"
    verdict = ENGINE.judge(nested.encode())
    assert len(verdict.findings) == 80
    assert len(edits_of(verdict)) == 1


def test_nesting_that_only_the_whole_file_survives_is_judged_without_an_error() -> None:
    def verdict(depth: int) -> Verdict:
        return ENGINE.judge(f"r = tuple({'-' * depth}x for x in xs)".encode())

    beyond = bisect_left(range(20_000), True, key=lambda depth: verdict(depth).problem is not None)
    assert 100 < beyond < 20_000
    counts = {len(verdict(depth).findings) for depth in range(beyond - 40, beyond)}
    assert counts == {1}


def test_invalid_escapes_and_odd_literals_warn_no_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ENGINE.judge(b"x = '\\d', 0in y, tuple('\\d' for x in y)\n").problem is None
        assert ENGINE.judge(b"# coding: unicode_escape\nx = '\\d'\n").suppressed == 0


def test_an_empty_file_has_an_empty_verdict() -> None:
    for data in (b"", BOM, b"\n", b"\f", b"#", b"\r"):
        assert ENGINE.judge(data) == Verdict()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_have_a_verdict(data: bytes) -> None:
    ENGINE.judge(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(set(encodings.aliases.aliases.values()))), st.binary(max_size=40))
def test_every_codec_of_python_has_a_verdict(codec: str, data: bytes) -> None:
    ENGINE.judge(f"# coding: {codec}\n{HIT}\n".encode("ascii", "replace") + data)


@settings(max_examples=300, deadline=None)
@given(modules(), st.data())
def test_a_damaged_module_is_judged_exactly_when_python_reads_it(text: str, data: st.DataObject) -> None:
    damaged = text.encode()
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(damaged)))
        put = data.draw(
            st.sampled_from([b"", b"\x00", b"\xff", b"(", b")", b"'", b"#", b"\r", b"\f", b"{", b"\xc3\xa9"])
        )
        damaged = damaged[:start] + put + damaged[start + data.draw(st.integers(0, 3)) :]
    verdict = ENGINE.judge(damaged)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(damaged.decode())
    except (ValueError, SyntaxError):
        assert verdict.problem is not None
    else:
        assert verdict.problem is None
        assert_sound(damaged.decode())


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("a\u00e9\u8868\U0001f40d\n\r\f \u2028"), max_size=9000))
def test_offsets_and_places_are_inverse(text: str) -> None:
    source = Source(text)
    for number, line in enumerate(source.lines, 1):
        for column in range(0, len(line), 7):
            offset = source.offset(number, len(line[:column].encode()))
            assert source.place(offset) == (number, column + 1)
            assert text[offset] == line[column]


def test_a_place_on_a_line_of_a_megabyte_is_found_without_reading_the_line() -> None:
    source = Source("\u00e9" * 500_000)
    assert source.offset(1, 0) == 0
    began = time.process_time()
    found = [source.offset(1, column) for column in range(0, 1_000_001, 50)]
    assert time.process_time() - began < 1
    assert found == list(range(0, 500_001, 25))


def test_thousands_of_matches_on_one_line_are_all_rewritten() -> None:
    data = ("x = [" + "'\u00e9', tuple(x for x in xs), " * 2000 + "]  # end\n").encode()
    verdict = ENGINE.judge(data)
    after = apply_edits(data.decode(), edits_of(verdict))
    assert after.count("tuple([x for x in xs])") == len(verdict.findings) == 2000
    assert ENGINE.judge(after.encode()) == Verdict()
