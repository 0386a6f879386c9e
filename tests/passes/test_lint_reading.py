"""ruff's JSON into findings. What the real ruff says is compared in ``tests/system/test_ruff.py``."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Safety
from konivrer_watch.passes.lint.reading import read_report

PLACE = {"row": 2, "column": 3}
MESSAGE, URL = "`os` imported but unused", "https://docs.astral.sh/ruff/rules/unused-import"
FOUND = {
    "cell": None,
    "code": "F401",
    "name": "unused-import",
    "severity": "error",
    "location": PLACE,
    "end_location": {"row": 2, "column": 9},
    "filename": "/r/a.py",
    "fix": None,
    "message": MESSAGE,
    "noqa_row": 2,
    "url": URL,
}


def read(**changes: object) -> Finding:
    report = read_report(json.dumps([{**FOUND, **changes}]).encode())
    ((_, (finding,)),) = report.items()
    return finding


def test_findings_are_grouped_by_file_and_sorted() -> None:
    places = [("/r/b", 9), ("/r/a", 7), ("/r/a", 5)]
    found = [{**FOUND, "filename": name, "location": {"row": row, "column": 1}} for name, row in places]
    report = read_report(json.dumps(found).encode())
    assert {name: [finding.line for finding in some] for name, some in report.items()} == {
        "/r/a": [5, 7],
        "/r/b": [9],
    }
    assert read_report(b"[]") == {}


def test_every_field_is_carried() -> None:
    edit = {"content": "x", "location": PLACE, "end_location": {"row": 4, "column": 1}}
    fix = {"applicability": "unsafe", "message": "Remove", "edits": [edit]}
    finding = read(fix=fix, cell=5)
    assert finding == Finding(
        2, 3, 2, 9, Pass.LINT, "F401", "unused-import", Level.WARNING, MESSAGE, URL,
        Fix(Safety.OPT_IN, "Remove", (Edit(2, 3, 4, 1, "x"),)), cell=5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "level"),
    [("F401", "warning"), ("F706", "error"), ("F821", "error"), ("F841", "warning"), ("E902", "error"),
     ("E722", "warning"), ("invalid-syntax", "error"), ("panic", "error"), ("EXE001", "warning")],
)  # fmt: skip
def test_what_does_not_run_is_an_error(code: str, level: str) -> None:
    assert read(code=code).level == level


def test_a_syntax_error_without_a_code_has_one() -> None:
    finding = read(code=None, name="invalid-syntax", url=None)
    assert (finding.code, finding.level) == ("invalid-syntax", Level.ERROR)


@pytest.mark.parametrize(
    ("applicability", "safety"),
    [("safe", Safety.AUTO), ("unsafe", Safety.OPT_IN), ("display", Safety.SUGGEST), ("new", Safety.SUGGEST)],
)
def test_only_what_ruff_calls_safe_is_automatic(applicability: str, safety: Safety) -> None:
    fix = read(fix={"applicability": applicability, "message": None, "edits": []}).fix
    assert fix == Fix(safety, "", ())


def test_a_finding_without_a_place_stands_at_the_start() -> None:
    finding = read(location=None, end_location=None)
    assert (finding.line, finding.column, finding.end_line, finding.end_column) == (1, 1, 1, 1)


@given(st.binary())
def test_what_is_no_report_is_a_value_error(data: bytes) -> None:
    try:
        assert read_report(data) == {}
    except ValueError:
        return


@given(st.integers(min_value=1, max_value=200))
def test_half_a_report_is_a_value_error(cut: int) -> None:
    with pytest.raises(ValueError, match=r"truncated|malformed|Input|JSON"):
        read_report(json.dumps([FOUND]).encode()[:-cut])
