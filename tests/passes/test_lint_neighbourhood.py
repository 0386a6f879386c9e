"""Edits beside a file: those that change ruff's mind change the key, and few others do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.passes.lint.config import LintProfile
from konivrer_watch.passes.lint.neighbourhood import Neighbourhoods, package_root
from tests.ruff_tree import Said, configurations, keys, listing, ruff_says, write

SELECT = "preview = true\n[lint]\nselect = ['F', 'I', 'TC', 'INP', 'EXE', 'N999', 'A005', 'UP', 'RUF200']\n"
BLOCK = "import attr\nimport {}\n\nprint(attr, {})\n"
TREE: dict[str, str | bytes] = {
    "ruff.toml": SELECT,
    "pyproject.toml": "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.9'\n",
    "base.toml": "lint.extend-select = ['D100', 'UP']\n",
    "app.py": BLOCK.format("helpers", "helpers"),
    "dotted.py": BLOCK.format("ns.inner", "ns"),
    "plain.py": "from typing import Optional\n\nx: Optional[int] = 1\n",
    "script.py": "#!/usr/bin/env python\nprint()\n",
    "pkg/__init__.py": "import helpers\nfrom pkg import core\n",
    "pkg/core.py": BLOCK.format("pkg", "pkg"),
    "pkg/gap/deep/__init__.py": "",
    "pkg/gap/deep/m.py": BLOCK.format("deep.x", "deep"),
    "loose/m.py": "from __future__ import annotations\n\nimport helpers\n\nx: helpers.X\n",
    "other/ruff.toml": "extend = '../base.toml'\nsrc = ['l*b']\n",
    "other/m.py": "from typing import Optional\n\nimport attr\nimport thing\n\nx: Optional[attr] = thing\n",
    "note.ipynb": (
        '{"cells": [{"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": '
        '["import attr\\n", "import helpers\\n", "\\n", "print(attr, helpers)\\n"]}], '
        '"metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}'
    ),
}
FILES = [os.fsencode(name) for name in TREE if name.endswith((".py", ".ipynb", "pyproject.toml"))]
ROOT_FILES = {path for path in FILES if not path.startswith(b"other/")}
HELPED = {b"app.py", b"pkg/__init__.py", b"loose/m.py", b"note.ipynb"}

Edit = Callable[[Path], object]


def made(name: str, content: str = "") -> Edit:
    return lambda root: write(root, {name: content})


def gone(name: str) -> Edit:
    return lambda root: (root / name).unlink() if (root / name).is_file() else shutil.rmtree(root / name)


EDITS: dict[str, tuple[Edit, set[bytes]]] = {
    "a first-party module": (made("helpers.py"), HELPED),
    "a first-party stub in src": (made("src/helpers.pyi"), HELPED),
    "a first-party folder": (made("helpers/data.txt"), HELPED),
    "an unrelated module": (made("unrelated.py"), set()),
    "a file that is no module": (made("helpers.txt"), set()),
    "a folder that lacks the submodule": (made("ns/other.py"), set()),
    "a submodule": (made("ns/inner.py"), {b"dotted.py"}),
    "a package's mark is lost": (gone("pkg/__init__.py"), {b"pkg/core.py", b"pkg/gap/deep/__init__.py"}),
    "a gap is closed": (
        made("pkg/gap/__init__.py"),
        {b"pkg/gap/deep/__init__.py", b"pkg/gap/deep/m.py"},
    ),
    "a folder becomes a package": (made("loose/__init__.py"), {b"loose/m.py"}),
    "the root becomes a package": (
        made("__init__.py"),
        {path for path in ROOT_FILES if not path.startswith((b"pkg/gap/", b"loose/"))},
    ),
    "a source folder of a pattern": (made("other/lib/thing.py"), {b"other/m.py"}),
    "a file becomes executable": (lambda root: (root / "plain.py").chmod(0o755), {b"plain.py"}),
    "the rules": (made("ruff.toml", SELECT.replace("'F', ", "")), ROOT_FILES),
    "a comment in the rules": (made("ruff.toml", SELECT + "# why\n"), set()),
    "the extended file": (made("base.toml", "lint.extend-select = ['UP']\n"), {b"other/m.py"}),
    "the Python version": (
        made("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.10'\n"),
        set(FILES),
    ),
    "an unrelated table": (
        made("pyproject.toml", str(TREE["pyproject.toml"]) + "[tool.black]\nline-length = 9\n"),
        set(),
    ),
    "a nearer file": (made("loose/.ruff.toml", "lint.select = ['D100']"), {b"loose/m.py"}),
    "a file that does not count beside ruff.toml": (made("other/pyproject.toml", "[tool.ruff]\n"), set()),
    "a nearer Python version": (
        made("other/pyproject.toml", "[project]\nname = 'y'\nversion = '1'\nrequires-python = '>=3.10'"),
        {b"other/m.py"},
    ),
}


def said_of(said: set[Said], path: bytes) -> set[Said]:
    return {each for each in said if each[0] == path}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_keys_of_what_ruff_may_judge_anew(tmp_path: Path, name: str) -> None:
    edit, expected = EDITS[name]
    root = tmp_path / "tree"
    write(root, TREE)
    before, said_before = keys(root, tmp_path, FILES), ruff_says(root, tmp_path)
    edit(root)
    left = [path for path in FILES if (root / os.fsdecode(path)).exists()]
    after, said_after = keys(root, tmp_path, left), ruff_says(root, tmp_path)
    changed = {path for path in left if before[path] != after[path]}
    # The edit of a file's own bytes is seen by its hash.
    own = {
        path for path in left if (root / os.fsdecode(path)).read_bytes() != _bytes(TREE[os.fsdecode(path)])
    }
    said_anew = {path for path in left if said_of(said_before, path) != said_of(said_after, path)}
    assert said_anew - own <= changed
    assert changed == expected
    assert said_anew or not expected or name == "the root becomes a package"


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def test_a_namespace_package_counts_as_a_package(tmp_path: Path) -> None:
    write(tmp_path, {"ruff.toml": "namespace-packages = ['ns']", "ns/a/m.py": "", "out/m.py": ""})
    profile = configurations(tmp_path, tmp_path).of(b"ns/a")
    top = os.fsencode(tmp_path)
    assert package_root(top + b"/ns/a", profile.namespace_packages, listing) == top + b"/ns"
    assert package_root(top + b"/out", profile.namespace_packages, listing) is None


PROFILE = LintProfile(b"/r", b"", True, None, (b"/r", b"/r/src"), (), False, False, None, ())
PATHS = st.lists(st.sampled_from([b"a", b"b.py", b"b", b"src", b"__init__.py"]), min_size=1, max_size=4)


@given(
    st.lists(PATHS, max_size=8), st.lists(st.sampled_from([b"a", b"b", b"a.b", b"src.b", b"c"]), max_size=3)
)
def test_a_module_is_found_as_ruff_would_find_it(paths: list[list[bytes]], words: list[bytes]) -> None:
    folders: dict[bytes, set[bytes]] = {}
    for parts in paths:
        for depth, part in enumerate(parts):
            mark = b"/" if depth < len(parts) - 1 else b""
            folders.setdefault(b"/".join([b"/r", *parts[:depth]]), set()).add(part + mark)
    known = {folder: frozenset(names) for folder, names in folders.items()}

    def entries(folder: bytes) -> frozenset[bytes]:
        return known.get(folder, frozenset())

    def found(word: bytes) -> bool:
        for source in PROFILE.src:
            *above, last = (source + b"/" + word.replace(b".", b"/")).rsplit(b"/", 1)
            if {last + b"/", last + b".py", last + b".pyi"} & entries(above[0]):
                return True
        return False

    bare = Neighbourhoods(entries).around(b"m.py", (), PROFILE)
    for word in words:
        assert (Neighbourhoods(entries).around(b"m.py", (word,), PROFILE) != bare) == found(word)
    moved = msgspec.structs.replace(PROFILE, src=())
    assert Neighbourhoods(entries).around(b"m.py", tuple(words), moved) == bare
