"""Targets follow requires-python at x.y; the catalogue tells each rule's standing, and why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.catalogue import catalogue, describe, folklore
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.gate import Outcome
from konivrer_watch.passes.optimize.targets import targets_for
from tests.passes.pack import FILES, LOADED, NEWEST, engine, sheet

MEASURED = ("3.11", "3.12", "3.13")


@pytest.mark.parametrize(
    ("requires", "targets"),
    [
        (None, ["3.12"]), ("", ["3.12"]), ("whatever", ["3.12"]), (">=3.11,", ["3.12"]), ("^3.11", ["3.12"]),
        (">=3.11", ["3.11", "3.12", "3.13"]), (">= 3.12 ", ["3.12", "3.13"]), (">=3.8", ["3.11", "3.12", "3.13"]),
        (">=3.12.4", ["3.12", "3.13"]), (">3.11", ["3.11", "3.12", "3.13"]), (">=3", ["3.11", "3.12", "3.13"]),
        ("<3.12", ["3.11"]), ("<3.12.3", ["3.11", "3.12"]), ("<=3.12", ["3.11", "3.12"]),
        ("<4", ["3.11", "3.12", "3.13"]),
        (">=3.9,<3.13", ["3.11", "3.12"]), ("~=3.12", ["3.12", "3.13"]), ("~=3.12.1", ["3.12"]), ("==3.12.*", ["3.12"]),
        ("==3.*", ["3.11", "3.12", "3.13"]), ("==3.13.2", ["3.13"]), (">=3.11,!=3.12.*", ["3.11", "3.13"]),
        (">=3.11,!=3.12.1", ["3.11", "3.12", "3.13"]), (">=3.14", ["3.14"]), ("<3.9", ["3.0"]), ("<3", ["3.12"]),
        (">=3.12.0rc1", ["3.12", "3.13"]),
    ],
)  # fmt: skip
def test_targets_are_the_measured_pythons_that_are_allowed(requires: str | None, targets: list[str]) -> None:
    assert targets_for(requires, MEASURED, "3.12") == tuple(targets)


@given(
    st.text(max_size=12)
    | st.lists(st.from_regex(r"(>=|<|~=|==|!=) ?3\.\d{1,2}(\.\*)?", fullmatch=True)).map(",".join)
)
def test_whatever_is_required_there_is_a_target(requires: str) -> None:
    assert targets_for(requires, MEASURED, "3.12")


def test_the_catalogue_tells_what_rules_are_and_what_they_were_demoted_to() -> None:
    without = OptimizeEngine(FILES, OptimizeSettings())
    assert [entry.id for entry in catalogue(without)] == [rule.id for rule in LOADED]
    assert {entry.safety for entry in catalogue(without)} == {Safety.SUGGEST}
    assert [entry.declared_safety for entry in catalogue(without)] == [rule.declared for rule in LOADED]
    assert all(entry.safety is entry.declared_safety and entry.evidence for entry in catalogue(engine()))


def test_a_rule_is_described_by_id_or_name_with_what_was_measured_of_it() -> None:
    files = {**FILES, "a.json": sheet(LOADED, NEWEST), "b.json": sheet(LOADED, "3.11", worst=0.5)}
    judge = OptimizeEngine(files, OptimizeSettings(targets=(NEWEST,)))
    by_id, by_name = describe(judge, "OPT102"), describe(judge, "tuple-genexp")
    assert by_id == by_name
    assert by_id is not None and by_id.document.id == "OPT102"
    assert {python: decision.outcome for python, decision in by_id.decisions.items()} == {
        "cpython 3.13": Outcome.PASSED,
        "cpython 3.11": Outcome.REJECTED,
    }
    assert judge.pack.evidence.pythons("cpython") == ("3.11", "3.13")
    assert describe(judge, "OPT999") is None


def test_why_not_is_answered_by_name_and_by_ruff_code() -> None:
    pack = OptimizeEngine(FILES, OptimizeSettings()).pack
    assert [entry.name for entry in folklore(pack, "contextlib-suppress")] == ["contextlib-suppress"]
    assert [entry.name for entry in folklore(pack, "SIM105")] == ["contextlib-suppress"]
    assert [entry.name for entry in folklore(pack, "PTH118")] == ["pathlib"]
    assert folklore(pack, "E501") == ()
