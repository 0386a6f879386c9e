"""An edit makes the engines run for what it can change, and for nothing else; what was known once costs nothing."""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from konivrer_watch.core.model import Pass
from tests.daemon.bench import Asked, checked
from tests.whole.steered_tree import (
    PYPROJECT,
    TREE,
    Edit,
    gone,
    made,
    make_tree,
    mode,
    replaced,
    stealthy,
    touched,
)

IGNORED = {"ignored/m.py", "pkg/local.py", "tool_gen.py"}
LINTED = {
    name
    for name in TREE
    if name.endswith((".py", ".pyi", ".ipynb", "pyproject.toml", "ruff.toml")) or name == "tools/oddscript"
} - {*IGNORED, "generated/g.py", "nested/skipped.py"}
SECURED = {name for name in TREE if name.endswith((".py", ".pyw"))} - {*IGNORED, "examples/e.py"}
OWN_RULES = ("nested/", "ext/", "inner/")
ROOTS = {name for name in LINTED if not name.startswith(OWN_RULES)}
BELOW = {
    folder: {name for name in LINTED if name.startswith(f"{folder}/")}
    for folder in ("nested", "ext", "inner")
}
NEW = "def fresh(x=[]):\n    return x\n"
ALL = (Pass.LINT, Pass.OPTIMIZE, Pass.SECURITY)

Ran = set[tuple[str, Pass]]


def lint(*names: str | Iterable[str]) -> Ran:
    flat = [each for name in names for each in ([name] if isinstance(name, str) else name)]
    return {(name, Pass.LINT) for name in flat}


def every(name: str) -> Ran:
    return {(name, pass_) for pass_ in ALL}


def added(name: str, text: str) -> Edit:
    """An edit that appends to a file."""
    return made(name, f"{TREE[name]!s}{text}")


EDITS: dict[str, tuple[Edit, Ran]] = {
    "nothing": (lambda root: None, set()),
    "another time of modification": (touched, set()),
    "other bytes under the old time": (stealthy, every("app.py")),
    "a folder becomes a package, by a file as empty as another": (
        made("loose/__init__.py"),
        lint("loose/m.py") | {("loose/__init__.py", Pass.LINT), ("loose/__init__.py", Pass.SECURITY)},
    ),
    "a package's mark is lost": (gone("pkg/__init__.py"), lint("pkg/core.py")),
    "a first-party module": (
        made("helpers.py", NEW),
        lint("app.py", "note.ipynb") | every("helpers.py"),
    ),
    "a first-party stub": (
        made("src/helpers.pyi", "x: int\n"),
        lint("app.py", "note.ipynb", "src/helpers.pyi"),
    ),
    "a first-party folder that git ignores": (made("thirdish/inner.py", NEW), lint("uses_thirdish.py")),
    "a module that nobody imports": (made("unknown.py", NEW), every("unknown.py")),
    "a file that git ignores": (made("new_gen.py", NEW), set()),
    "a file becomes executable": (mode("app.py", 0o755), lint("app.py")),
    "a file may be read by fewer": (mode("app.py", 0o600), set()),
    "a rule of the root": (
        replaced("pyproject.toml", '"B", ', ""),
        lint(ROOTS),
    ),
    "what rules hold for a path": (replaced("pyproject.toml", "legacy/*", "loose/*"), lint(ROOTS)),
    "the Python version": (
        replaced("pyproject.toml", ">=3.9", ">=3.10"),
        lint(LINTED - BELOW["inner"]),
    ),
    "a comment in the root's configuration": (
        added("pyproject.toml", "# why\n"),
        lint("pyproject.toml"),
    ),
    "another tool's table": (
        added("pyproject.toml", "[tool.black]\nline-length = 9\n"),
        lint("pyproject.toml"),
    ),
    "bandit's skips": (
        replaced("pyproject.toml", 'skips = ["B101"]', 'skips = ["B404"]'),
        {(name, Pass.SECURITY) for name in SECURED} | lint("pyproject.toml"),
    ),
    "what bandit excludes": (
        replaced("pyproject.toml", '"examples"', '"legacy"'),
        {("examples/e.py", Pass.SECURITY)} | lint("pyproject.toml"),
    ),
    "bandit gets a file of its own": (
        made("bandit.yaml", "skips: [B101]\ninclude: ['*.py', '*.pyw']\n"),
        {("examples/e.py", Pass.SECURITY)},
    ),
    "a folder's rules": (
        made("nested/ruff.toml", "lint.select = ['F']\n"),
        lint(BELOW["nested"], "nested/skipped.py"),
    ),
    "a comment in a folder's rules": (added("nested/ruff.toml", "# why\n"), lint("nested/ruff.toml")),
    "the file another one extends": (made("base.toml", "lint.select = ['E']\n"), lint(BELOW["ext"])),
    "a nested project's Python version": (
        replaced("inner/pyproject.toml", ">=3.11", ">=3.9"),
        lint(BELOW["inner"]),
    ),
    "a folder gets rules of its own": (
        made("pkg/sub/ruff.toml", "lint.select = ['D']\n"),
        lint("pkg/sub/deep.py", "pkg/sub/ruff.toml"),
    ),
    "a folder loses its rules": (gone("nested/ruff.toml"), lint("nested/m.py", "nested/skipped.py")),
    "an ignore file says less": (made("pkg/.gitignore"), every("pkg/local.py")),
    "an ignore file says more": (made("loose/.gitignore", "m.py\n"), set()),
    "a file is deleted that nobody imports": (gone("legacy/old.py"), set()),
    "a file is renamed": (
        lambda root: (root / "crlf.py").rename(root / "lf.py"),
        {("lf.py", Pass.LINT), ("lf.py", Pass.SECURITY)},
    ),
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tree, judged once, and the state that was left."""
    folder: Path = tmp_path_factory.mktemp("known")
    make_tree(folder / "tree")
    # What was written just now is read once more, whatever its times say.
    then = time.time() - 100
    for path in (folder / "tree").rglob("*"):
        os.utime(path, (then, then))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KONIVRER_WATCH_STATE_DIR", str(folder / "state"))
        patch.setenv("HOME", str(folder))
        asked = Asked(patch)
        report = checked(folder / "tree")
        expected = lint(LINTED) | {(name, Pass.SECURITY) for name in SECURED}
        assert {run for run in asked.ran if run[1] is not Pass.OPTIMIZE} == expected
        assert not report.problems or {each[2].kind.value for each in report.problems} == {"unparsable"}
    return folder


@pytest.fixture
def root(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the known tree at another place, with the verdicts that are known."""
    shutil.copytree(known / "tree", tmp_path / "tree", symlinks=True)
    shutil.copytree(known / "state", tmp_path / "state")
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "tree"


@pytest.fixture
def asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_judged_where_it_can_change_a_verdict_and_undone_it_costs_nothing(
    known: Path, root: Path, asked: Asked, name: str
) -> None:
    edit, expected = EDITS[name]
    edit(root)
    checked(root)
    assert asked.ran == expected
    assert bool(asked.calls) == bool(expected)
    asked.reset()
    checked(root)
    assert (asked.ran, asked.calls) == (set(), 0)
    shutil.rmtree(root)
    shutil.copytree(known / "tree", root, symlinks=True)
    report = checked(root)
    assert (asked.ran, asked.calls) == (set(), 0)
    assert (report.files.checked, report.files.cached) == (0, len(LINTED | SECURED))


def test_a_moved_tree_costs_no_engine_and_each_file_is_read_once(root: Path, asked: Asked) -> None:
    report = checked(root)
    assert (asked.ran, asked.calls, report.files.checked) == (set(), 0, 0)
    assert asked.read == LINTED | SECURED


def test_an_unchanged_tree_is_not_even_read(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(known / "state"))
    asked = Asked(monkeypatch)
    checked(known / "tree")
    checked(known / "tree")
    asked.reset()
    checked(known / "tree")
    assert (asked.ran, asked.calls, asked.read) == (set(), 0, set())


def test_a_touched_file_is_read_again_and_no_engine_is_asked(
    known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(known / "state"))
    checked(known / "tree")
    asked = Asked(monkeypatch)
    touched(known / "tree")
    checked(known / "tree")
    assert (asked.ran, asked.calls, asked.read) == (set(), 0, {"app.py"})


def test_a_broken_configuration_is_asked_again_each_time_and_mended_costs_nothing(
    root: Path, asked: Asked
) -> None:
    (root / "nested/ruff.toml").write_text("lint.select = 'F'\n")
    for _ in range(2):
        asked.reset()
        report = checked(root)
        assert asked.ran == lint("nested/m.py", "nested/skipped.py")
        assert (
            report.complete,
            [each[0] for each in report.problems if each[2].kind == "configuration"],
        ) == (
            False,
            [b"nested/ruff.toml"],
        )
    asked.reset()
    (root / "nested/ruff.toml").write_text(str(TREE["nested/ruff.toml"]))
    checked(root)
    assert (asked.ran, asked.calls) == (set(), 0)


def test_a_broken_bandit_table_costs_no_engine_and_mended_neither(root: Path, asked: Asked) -> None:
    (root / "pyproject.toml").write_text(PYPROJECT.replace('["B101"]', "3"))
    report = checked(root)
    assert asked.ran == lint("pyproject.toml")
    assert [(path, pass_) for path, pass_, problem in report.problems if problem.kind == "configuration"] == [
        (b"pyproject.toml", Pass.SECURITY)
    ]
    asked.reset()
    (root / "pyproject.toml").write_text(PYPROJECT)
    checked(root)
    assert (asked.ran, asked.calls) == (set(), 0)
