from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.relevance import IgnoreFile, IgnoreRules, candidate, steers


def reason(rules: IgnoreRules, name: bytes, is_dir: bool = False) -> str | None:
    found = rules.ignores(name, is_dir)
    return None if found is None else found.reason


def rules_of(
    gitignore: bytes = b"", exclude: Sequence[str] = (), layers: Sequence[IgnoreFile] = ()
) -> IgnoreRules:
    return IgnoreRules.top(layers).excluding(exclude).here(gitignore)


@pytest.mark.parametrize(
    "name", [b"a.py", b"a.pyi", b"a.pyw", b"a.ipynb", b"\xff.py", b"pyproject.toml", b".gitignore"]
)
def test_python_files_and_what_configures_the_passes_are_candidates(name: bytes) -> None:
    assert candidate(name)


@pytest.mark.parametrize("name", [b"a.PY", b"a.pyc", b"py", b"a.py\n", b"Pyproject.toml", b"setup.cfg"])
def test_other_names_are_no_candidates_and_case_matters(name: bytes) -> None:
    assert not candidate(name)


def test_a_python_file_steers_nothing() -> None:
    assert steers(b".gitignore")
    assert not steers(b"a.py")


def test_the_deeper_file_wins_over_the_outer_one() -> None:
    rules = rules_of(b"*.py\n").descend(b"sub", b"!keep.py\n")
    assert reason(rules, b"keep.py") is None
    assert reason(rules, b"drop.py") == "ignored by .gitignore:1: *.py"


def test_info_exclude_wins_over_the_users_excludes_and_gitignore_over_both() -> None:
    layers = [IgnoreFile(b"global", b"a\nb\nc\n"), IgnoreFile(b"info/exclude", b"!a\nb\n")]
    rules = rules_of(b"!b\n", layers=layers)
    assert [reason(rules, name) for name in (b"a", b"b", b"c")] == [None, None, "ignored by global:3: c"]


def test_a_negation_in_the_repository_does_not_bring_back_what_settings_exclude() -> None:
    rules = rules_of(b"!gen.py\n", exclude=["gen.py"]).descend(b"sub", b"!gen.py\n")
    assert reason(rules, b"gen.py") == "excluded by settings: gen.py"


def test_settings_may_take_back_their_own_exclusion_but_not_gits() -> None:
    rules = rules_of(b"b.py\n", exclude=["*.py", "!a.py", "!b.py"])
    assert reason(rules, b"a.py") is None
    assert reason(rules, b"b.py") == "ignored by .gitignore:1: b.py"


def test_settings_are_anchored_at_the_root_when_gits_top_lies_above() -> None:
    top = IgnoreRules.top([], above=1).here(b"/sub/a.py\n")
    root = top.descend(b"sub", None).excluding(["/b.py"])
    assert reason(root, b"a.py") == "ignored by ../.gitignore:1: /sub/a.py"
    assert reason(root, b"b.py") == "excluded by settings: /b.py"
    assert reason(root.descend(b"x", None), b"b.py") is None


def test_reasons_name_the_file_below_the_root_even_when_gits_top_lies_two_above() -> None:
    top = IgnoreRules.top([], above=2).here(b"a\n")
    rules = top.descend(b"x", b"b\n").descend(b"root", b"c\n").descend(b"pkg", b"d\n")
    reasons = [reason(rules, name) for name in (b"a", b"b", b"c", b"d")]
    files = ["../../.gitignore", "../.gitignore", ".gitignore", "pkg/.gitignore"]
    assert reasons == [f"ignored by {file}:1: {name}" for file, name in zip(files, "abcd", strict=True)]


def test_an_anchored_pattern_is_compared_from_its_files_own_directory() -> None:
    rules = rules_of(b"").descend(b"sub", b"/gen/*.py\n").descend(b"gen", None)
    assert reason(rules, b"a.py") == "ignored by sub/.gitignore:1: /gen/*.py"
    assert reason(rules.descend(b"gen", None), b"a.py") is None


def test_bytes_that_are_no_text_are_shown_escaped() -> None:
    assert reason(rules_of(b"\xff*\n"), b"\xffa") == "ignored by .gitignore:1: \\xff*"


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=6), st.booleans())
def test_no_content_of_an_ignore_file_raises(content: bytes, name: bytes, is_dir: bool) -> None:
    rules = rules_of(content).descend(b"sub", content)
    assert rules.ignores(name, is_dir) == rules.ignores(name, is_dir)


@given(st.lists(st.sampled_from(["a", "!a", "a/", "*", "!*.py", "/s/a", "s/**"]), max_size=4), st.booleans())
def test_settings_alone_ignore_what_the_same_gitignore_would(patterns: list[str], is_dir: bool) -> None:
    settings = rules_of(exclude=patterns).descend(b"s", None)
    written = rules_of("\n".join(patterns).encode()).descend(b"s", None)
    for name in (b"a", b"a.py"):
        assert (settings.ignores(name, is_dir) is None) == (written.ignores(name, is_dir) is None)
