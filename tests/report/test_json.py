"""JSON keeps the documented keys and order, whatever paths and messages hold."""

import base64
import json
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Pass
from konivrer_watch.report.json import encode, to_json
from konivrer_watch.report.verdicts import Report
from tests.report.samples import BROKEN, LOST, SAMPLE, SHELL, UNUSED, reports

FINDING_KEYS = [
    *("path", "line", "column", "end_line", "end_column", "pass", "code", "name", "level", "message"),
    *("url", "fix", "evidence"),
]


def decoded(report: Report) -> Any:
    return json.loads(to_json(report, "0.1.0"))


def test_the_whole_verdict_is_written_as_documented() -> None:
    document = decoded(SAMPLE)
    findings = document.pop("findings")
    assert list(document.items()) == [
        ("schema", 1),
        ("version", "0.1.0"),
        ("root", "/r"),
        ("complete", False),
        ("as_of", "2026-01-01T00:00:00Z"),
        ("files", {"checked": 12, "cached": 1100, "skipped": 2, "quarantined": 0}),
        ("suppressed", {"lint": 2, "optimize": 0, "security": 1}),
        (
            "skipped",
            [
                {"path": "big.py", "reason": "larger than 1024 kB"},
                {"path": "link.py", "reason": "symbolic link out of the root"},
            ],
        ),
        (
            "problems",
            [
                {
                    "path": "bad.py",
                    "pass": "security",
                    "message": "cannot be parsed: line 3",
                    "hint": "add it to exclude",
                }
            ],
        ),
        ("timing_ms", {"total": 1234, "scan": 9, "lint": 0, "optimize": 0, "security": 0}),
    ]
    assert [(one["path"], one["code"]) for one in findings] == [
        ("n.ipynb", "E402"),
        ("pkg/a.py", "F401"),
        ("pkg/a.py", "B602"),
        ("pkg/b.py", "OPT101"),
    ]


def test_the_keys_of_the_document_are_in_the_documented_order() -> None:
    keys = ["schema", "version", "root", "complete", "as_of", "files", "findings", "suppressed", "skipped"]
    assert list(decoded(SAMPLE)) == [*keys, "problems", "timing_ms"]


def test_a_finding_has_every_key_and_extras_only_where_its_pass_gives_them() -> None:
    in_cell, unused, shell, join = decoded(SAMPLE)["findings"]
    assert list(in_cell) == [*FINDING_KEYS, "cell"]
    assert list(unused) == FINDING_KEYS
    assert list(shell) == [*FINDING_KEYS, "severity", "confidence"]
    assert list(join) == FINDING_KEYS
    assert unused["fix"] == {
        "safety": "auto",
        "message": "Remove unused import: `os`",
        "edits": [{"line": 1, "column": 1, "end_line": 2, "end_column": 1, "text": ""}],
    }
    assert (shell["url"], shell["fix"], shell["evidence"], join["evidence"]) == (None, None, None, "0.8")


def test_a_path_that_is_not_utf8_keeps_its_bytes_in_base64() -> None:
    report = Report("/r", True, "t", findings=((b"\xff\n.py", UNUSED),), problems=((b"\xfe", None, LOST),))
    (finding,), (problem,) = decoded(report)["findings"], decoded(report)["problems"]
    assert (finding["path"], finding["path_b64"]) == ("\\xff\n.py", base64.b64encode(b"\xff\n.py").decode())
    assert list(finding)[:2] == ["path", "path_b64"]
    assert (problem["path"], problem["path_b64"], problem["pass"]) == ("\\xfe", "/g==", None)


@given(reports)
def test_any_report_is_one_line_of_valid_json_with_every_finding(report: Report) -> None:
    line = to_json(report, "0.1.0")
    assert b"\n" not in line
    document = msgspec.json.decode(line)
    assert len(document["findings"]) == len(report.findings)
    given_back = [
        base64.b64decode(one["path_b64"]) if "path_b64" in one else one["path"].encode()
        for one in document["findings"]
    ]
    assert given_back == sorted(path for path, _ in report.findings)


@given(reports, st.randoms(use_true_random=False))
def test_equal_verdicts_are_equal_bytes_in_whatever_order_they_were_gathered(
    report: Report, random: Random
) -> None:
    other = msgspec.structs.replace(
        report,
        findings=random.sample(list(report.findings), len(report.findings)),
        skipped=random.sample(list(report.skipped), len(report.skipped)),
        problems=random.sample(list(report.problems), len(report.problems)),
        suppressed={one: report.suppressed[one] for one in reversed(Pass) if one in report.suppressed},
    )
    assert to_json(other, "0.1.0") == to_json(report, "0.1.0")


def test_a_lone_surrogate_in_a_message_is_shown_and_spoils_nothing() -> None:
    quoted = msgspec.structs.replace(SHELL, message="password: '\ud800é'")
    document = decoded(
        Report("/r", True, "t", findings=((b"a.py", quoted),), problems=((b"", None, BROKEN),))
    )
    assert document["findings"][0]["message"] == "password: '\\ud800é'"
    assert list(document["findings"][0]) == [*FINDING_KEYS, "severity", "confidence"]
    assert encode({"a": ["\udcff", 1, None]}) == b'{"a":["\\\\udcff",1,null]}'
