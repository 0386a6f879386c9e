"""Verdicts through ``Ruff`` against ``ruff check`` over the whole tree."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.model import Edit, Level, ProblemKind, Safety, Verdict
from konivrer_watch.passes.lint.reading import read_report
from konivrer_watch.system.ruff import Members, Ruff
from tests.ruff_tree import (
    PACK,
    RUFF,
    Said,
    engine,
    environment,
    jobs,
    ruff_says,
    write,
)

CELL = '{"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": ["%s"]}'
NOTEBOOK = '{"cells": [%s, %s], "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}'
CONFIGURED: dict[str, str | bytes] = {
    "ruff.toml": "preview = true\nextend-exclude = ['skipped']\n[lint]\nselect = ['ALL']\nexclude = ['unlinted*']\n",
    "sub/ruff.toml": "extend = '../shared/base.toml'\nlint.per-file-ignores = {'quiet.py' = ['F401']}\n",
    "shared/base.toml": "lint.select = ['F', 'I', 'W']\n",
    "only/pyproject.toml": "[tool.ruff.lint]\nselect = ['I']\n",
    "pyproject.toml": "[project]\nname = 1\n",
    "skipped/a.py": "import os\n",
    "unlinted.py": "import os\n",
    "a.py": "import os\nimport a.b\nx = eval('1')  # noqa\n",
    "sub/quiet.py": "import os\n\n\n",
    "sub/loud.py": "import os, sys\nprint(sys)\n",
    "stub.pyi": "def f(x: int = 3) -> None: ...\nimport os\n",
    "bom.py": b"\xef\xbb\xbfimport os\r\nx = 'caf\xc3\xa9'; import sys\r\n",
    "tab.py": "x = '\u00e9\t\U0001f600'; import os\n\x0cimport re; y=1\n",
    "bad.py": b"x = '\xff'\n",
    "only/bad.py": b"x = '\xff'\n",
    "syntax.py": "def f(:\n    import os\n",
    "nul.py": b"x = '\0'\nimport os\n",
    "note.ipynb": NOTEBOOK % (CELL % "import os\\nx=1", CELL % "import sys"),
    "bad.ipynb": '{"cells": [',
    "-dash.py": "import os\n",
    "with space.py": "import os\n",
    "new\nline.py": "import os\n",
    "esc\x1b.py": "import os\n",
    "folder.py/inner.py": "import os\n",
    "pkg/__init__.py": "",
    "pkg/gap/deep/__init__.py": "import os\n",
    "empty.py": "",
}


def listed(root: Path, members: Members) -> list[bytes]:
    found = []
    for folder, _, names in os.walk(os.fsencode(root)):
        paths = [os.path.relpath(os.path.join(folder, name), os.fsencode(root)) for name in names]
        found += [path for path in paths if path in members]
    return sorted(found)


def check(root: Path, home: Path, paths: Sequence[bytes], ruff: Ruff | None = None) -> dict[bytes, Verdict]:
    return anyio.run((ruff or engine(home)).check, os.fsencode(root), jobs(root, home, paths))


def said(verdicts: Mapping[bytes, Verdict]) -> set[Said]:
    return {
        (path, finding.line, finding.column, finding.code)
        for path, verdict in verdicts.items()
        for finding in verdict.findings
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    write(root, CONFIGURED)
    (root / "link.py").symlink_to("a.py")
    return root


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_verdicts_equal_ruff_over_the_tree(tree: Path, tmp_path: Path, backend: str) -> None:
    ruff = engine(tmp_path)
    root = os.fsencode(tree)
    members = anyio.run(ruff.show_files, root, backend=backend)
    paths = listed(tree, members)
    verdicts = anyio.run(ruff.check, root, jobs(tree, tmp_path, paths), backend=backend)
    assert said(verdicts) == ruff_says(tree, tmp_path)
    assert set(verdicts) == set(paths)
    assert {b"link.py", b"pyproject.toml", b"new\nline.py"} <= set(paths)
    assert b"skipped/a.py" not in members


def test_a_file_judged_alone_gets_the_verdict_it_has_among_all(tree: Path, tmp_path: Path) -> None:
    paths = listed(tree, anyio.run(engine(tmp_path).show_files, os.fsencode(tree)))
    together = check(tree, tmp_path, paths)
    for path in (b"pkg/gap/deep/__init__.py", b"unlinted.py", b"sub/quiet.py", b"note.ipynb", b"a.py"):
        assert check(tree, tmp_path, [path]) == {path: together[path]}
    assert any(finding.code == "INP001" for finding in together[b"pkg/gap/deep/__init__.py"].findings)


def test_our_pack_serves_where_the_user_has_no_configuration(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    match = "match 1:\n    case _:\n        pass\n"
    write(root, {"a.py": "import os\ndef f(x=[]): pass\n", "new/m.py": match, "old/m.py": match})
    write(root, {"old/pyproject.toml": "[project]\nrequires-python = '>=3.8'\n", "own/b.py": "import os\n"})
    write(root, {"own/ruff.toml": "lint.select = ['D100']"})
    found = said(check(root, tmp_path, [b"a.py", b"new/m.py", b"old/m.py", b"own/b.py"]))
    options = ["--config", os.fspath(PACK)]
    expected = ruff_says(root, tmp_path, *options, "a.py", "new/m.py")
    expected |= ruff_says(root, tmp_path, *options, "--target-version", "py38", "old/m.py")
    expected |= ruff_says(root, tmp_path, "own/b.py")
    assert found == expected
    assert {each[3] for each in found} == {"F401", "B006", "invalid-syntax", "D100"}


def test_the_user_level_file_holds_where_the_tree_has_none(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write(tmp_path, {".config/ruff/ruff.toml": "lint.select = ['D100']"})
    write(root, {"a.py": "import os\n"})
    assert said(check(root, tmp_path, [b"a.py"])) == ruff_says(root, tmp_path) == {(b"a.py", 1, 1, "D100")}


def test_findings_carry_what_ruff_knows(tree: Path, tmp_path: Path) -> None:
    verdicts = check(tree, tmp_path, [b"sub/loud.py", b"bom.py", b"syntax.py", b"note.ipynb"])
    unused = next(finding for finding in verdicts[b"sub/loud.py"].findings if finding.code == "F401")
    assert (unused.name, unused.level) == ("unused-import", Level.WARNING)
    assert unused.url == "https://docs.astral.sh/ruff/rules/unused-import"
    assert unused.fix is not None
    assert unused.fix.safety is Safety.AUTO
    assert unused.fix.edits == (Edit(1, 1, 1, 15, "import sys"),)
    assert [f.column for f in verdicts[b"bom.py"].findings if f.code == "F401"] == [8, 20]
    syntax = verdicts[b"syntax.py"]
    assert {f.level for f in syntax.findings if f.code == "invalid-syntax"} == {Level.ERROR}
    assert syntax.problem is None
    assert [f.cell for f in verdicts[b"note.ipynb"].findings if f.code == "F401"] == [1, 2]


def test_what_is_silenced_is_counted(tmp_path: Path) -> None:
    write(tmp_path, {"ruff.toml": "lint.select = ['F', 'RUF100']"})
    write(tmp_path, {"a.py": "import os  # noqa\nimport re\nx = 1  # noqa: F401\n"})
    write(tmp_path, {"b.py": "# ruff: noqa\nimport os\nimport re\n", "c.py": "import os\n"})
    verdicts = check(tmp_path, tmp_path, [b"a.py", b"b.py", b"c.py"])
    assert [verdicts[path].suppressed for path in (b"a.py", b"b.py", b"c.py")] == [1, 2, 0]
    assert [finding.code for finding in verdicts[b"a.py"].findings] == ["F401", "RUF100"]


def test_nothing_is_written_whatever_the_configuration_asks(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write(root, {"ruff.toml": "fix = true\nfix-only = true\nunsafe-fixes = true\ncache-dir = '../cache'\n"})
    write(root, {"a.py": "import os\n"})
    verdicts = check(root, tmp_path, [b"a.py"])
    assert [finding.code for finding in verdicts[b"a.py"].findings] == ["F401"]
    assert (root / "a.py").read_text() == "import os\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.py", "ruff.toml", "tree"]


def test_names_that_are_no_text_are_told_apart(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    paths = [b"bad\xff.py", b"bad\xfe.py", b"b\xffd/x.py"]
    (tmp_path / os.fsdecode(b"b\xffd")).mkdir()
    for path, content in zip(paths, ("import os\n", "\nimport re\n", "x = 1\n"), strict=True):
        (tmp_path / os.fsdecode(path)).write_text(content)
    members = anyio.run(engine(tmp_path).show_files, root)
    assert all(path in members for path in paths)
    assert said(check(tmp_path, tmp_path, paths)) == {(paths[0], 1, 8, "F401"), (paths[1], 2, 8, "F401")}


@pytest.mark.parametrize("select", ["E902", "I"])
def test_a_file_ruff_cannot_read_is_no_clean_file(tmp_path: Path, select: str) -> None:
    write(tmp_path, {"ruff.toml": f"lint.select = ['{select}']", "bad.py": b"'\xff'\n", "good.py": "x = 1\n"})
    (tmp_path / "gone.py").symlink_to("nowhere")
    verdicts = check(tmp_path, tmp_path, [b"bad.py", b"good.py", b"gone.py"])
    problems = {path: verdict.problem and verdict.problem.kind for path, verdict in verdicts.items()}
    assert problems == {
        b"bad.py": ProblemKind.UNPARSABLE,
        b"good.py": None,
        b"gone.py": ProblemKind.UNREADABLE,
    }
    assert {path for path, verdict in verdicts.items() if verdict.findings} == (
        {b"bad.py", b"gone.py"} if select == "E902" else set()
    )


def test_the_environment_cannot_steer_ruff(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "import os\n"})
    steered = environment(tmp_path) | {
        "RUFF_OUTPUT_FORMAT": "concise",
        "RUFF_CONFIG": "x",
        "FORCE_COLOR": "1",
    }
    ruff = Ruff(RUFF, read_report, pack=PACK, environment=steered)
    assert said(check(tmp_path, tmp_path, [b"a.py"], ruff)) == {(b"a.py", 1, 8, "F401")}


def test_the_version_is_the_programs_own(tmp_path: Path) -> None:
    told = subprocess.run([RUFF, "--version"], capture_output=True, check=True).stdout.decode()
    assert told == f"ruff {anyio.run(engine(tmp_path).version)}\n"
