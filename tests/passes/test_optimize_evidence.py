"""Evidence is read strictly and counts only for the very rule, implementation and x.y it was measured on."""

import json

import pytest

from konivrer_watch.passes.optimize.evidence import Evidence, read_evidence
from konivrer_watch.passes.optimize.rule import Rule, load_pack
from tests.passes.pack import FILES, LOADED, sheet

RULE: Rule = LOADED[0]
SHEET = sheet([RULE], "3.12")


def line(data: bytes, *targets: str, implementation: str = "cpython") -> str | None:
    return Evidence((read_evidence(data),)).line(RULE.document, implementation, targets)


def changed(*path: str, value: object) -> bytes:
    document = json.loads(SHEET)
    table = document
    for key in path[:-1]:
        table = table[int(key)] if isinstance(table, list) else table[key]
    table[path[-1]] = value
    return json.dumps(document).encode()


def test_evidence_counts_for_its_own_python_and_implementation() -> None:
    assert line(SHEET, "3.12") == (
        "measured 2.00\u00d7 (n=0, 1.5 \u00b5s saved) to 3.00\u00d7 (n=5) on CPython 3.12.1, CPU time"
    )
    assert line(SHEET, "3.11") is None
    assert line(SHEET, "3.12", "3.11") is None
    assert line(SHEET) is None
    assert line(SHEET, "3.12", implementation="pypy") is None


def test_the_machine_is_recorded_and_matched_by_nothing() -> None:
    assert line(changed("machine", "processor", value="another"), "3.12") == line(SHEET, "3.12")


@pytest.mark.parametrize(
    "other",
    [
        changed("rules", RULE.id, "digest", value="0"),
        changed("rules", value={}),
        changed("rules", RULE.id, "figures", value=json.loads(SHEET)["rules"][RULE.id]["figures"][:2]),
    ],
)
def test_evidence_of_something_else_does_not_count(other: bytes) -> None:
    assert line(other, "3.12") is None


def test_of_several_targets_the_weakest_is_told() -> None:
    weaker = sheet([RULE], "3.11", worst=1.2, best=1.3)
    both = Evidence((read_evidence(weaker), read_evidence(SHEET)))
    told = both.line(RULE.document, "cpython", ["3.12", "3.11"])
    assert told is not None and "1.20\u00d7" in told and "CPython 3.11.1" in told


def test_the_last_of_two_sheets_for_one_python_counts() -> None:
    failing = sheet([RULE], "3.12", worst=0.5)
    sheets = (read_evidence(SHEET), read_evidence(failing))
    assert Evidence(sheets).line(RULE.document, "cpython", ["3.12"]) is None
    assert Evidence(sheets[::-1]).line(RULE.document, "cpython", ["3.12"]) is not None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "Input data was truncated"),
        (changed("schema", value=2), "schema: Invalid enum value 2"),
        (changed("release", value="3.12"), "release: Expected `str` matching regex"),
        (changed("speed", value=1), "Object contains unknown field `speed`"),
        (
            changed("rules", RULE.id, "figures", value=[]),
            "rules[...].figures: Expected `array` of length >= 1",
        ),
    ],
)
def test_a_bad_sheet_is_refused_with_file_key_and_reason(data: bytes, told: str) -> None:
    with pytest.raises(ValueError) as raised:
        load_pack({**FILES, "cpython.json": data})
    assert str(raised.value).startswith(f"cpython.json: {told}")


def test_folklore_is_data_that_says_why_not() -> None:
    rejected = load_pack(FILES).rejected
    by_name = {entry.name: entry for entry in rejected}
    assert len(rejected) >= 18
    assert by_name["len-of-list"].worst == 0.73
    assert "PERF403" in by_name["dict-comprehension-for-loop"].ruff
    with pytest.raises(ValueError, match=r"^rejected\.toml: rejected: 'try-out-of-loop' stands there twice$"):
        load_pack(
            {"rejected.toml": FILES["rejected.toml"] + FILES["rejected.toml"].partition(b"schema = 1")[2]}
        )


def test_a_repository_vouches_for_nothing() -> None:
    assert load_pack({**FILES, "konivrer-rules/evidence.json": SHEET}).evidence == Evidence()
    assert load_pack({**FILES, "evidence.json": SHEET}).evidence != Evidence()
