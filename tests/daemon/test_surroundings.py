"""Configurations and modules that no scan of the tree shows, and files that only a configuration makes count."""

from pathlib import Path

import pytest

from konivrer_watch.daemon import contexts
from tests.daemon.bench import checked, opened, read_again
from tests.ruff_tree import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    write(root, {"a.py": "import os\n"})
    return root


CHOSEN: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "what ruff's extends": (
        {"ruff.toml": "extend = 'config/base.toml'\n", "config/base.toml": "lint.select = ['F']\n"},
        "config/base.toml",
        "lint.select = ['E']\n",
    ),
    "what that extends, not there yet": (
        {"ruff.toml": "extend = 'config/base.toml'\n", "config/base.toml": "extend = '../more.toml'\n"},
        "more.toml",
        "lint.select = ['E']\n",
    ),
    "what ruff's extends in a folder that git ignores": (
        {".gitignore": "made/\n", "ruff.toml": "extend = 'made/ruff.toml'\n", "made/ruff.toml": ""},
        "made/ruff.toml",
        "lint.select = ['E']\n",
    ),
    "what bandit's names": (
        {".bandit": "[bandit]\nconfigfile = ci/b.yml\n", "ci/b.yml": "skips: [B404]\n"},
        "ci/b.yml",
        "skips: [B602]\n",
    ),
    "what bandit's names, not there yet": (
        {".bandit": "[bandit]\nconfigfile = ci/b.yml\n"},
        "ci/b.yml",
        "skips: [B602]\n",
    ),
    "in a source folder by a pattern": (
        {
            ".gitignore": "made/\n",
            "ruff.toml": "src = ['packages/*/src']\n",
            "packages/one/src/m.py": "",
        },
        "packages/one/src/made/m.py",
        "",
    ),
}


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.anyio
async def test_a_change_below_the_root_that_no_scan_shows_is_noticed(root: Path, name: str) -> None:
    tree, path, content = CHOSEN[name]
    write(root, tree)
    async with opened(root) as bench:
        assert not bench.contexts.surroundings_changed()
        write(root, {path: content})
        assert bench.contexts.surroundings_changed()
        await read_again(bench)
        assert not bench.contexts.surroundings_changed()


@pytest.mark.anyio
async def test_what_scans_show_is_not_looked_at_beside_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = {f"f{number}/g/h/m.py": "" for number in range(50)}
    write(root, {**deep, "ruff.toml": "", "f1/g/h/ruff.toml": "", ".gitignore": "/f2/pyproject.toml\n"})
    write(root, {"f2/pyproject.toml": "[tool.ruff]\n"})
    looked: list[bytes] = []
    async with opened(root) as bench:
        stat = contexts.__dict__["stat_file"]

        def looking(root: bytes, path: bytes) -> object:
            looked.append(path)
            return stat(root, path)

        monkeypatch.setattr(contexts, "stat_file", looking)
        assert not bench.contexts.surroundings_changed()
    below = {path for path in looked if path.startswith(bytes(root))}
    assert below == {bytes(root / "f2/pyproject.toml")}


@pytest.mark.parametrize(
    "tree",
    [
        {"ruff.toml": "extend = 'base.cfg'\n", "base.cfg": "extend-include = ['oddscript']\n"},
        {"ruff.toml": "extend = 'a.cfg'\n", "a.cfg": "extend = 'b.cfg'\n", "b.cfg": "include = ['odd*']\n"},
        {"ruff.toml": "include = ['*.x']\nextension = {x = 'python'}\n", "code.x": "import os\n"},
        {"odd/ruff.toml": "extend-include = ['script']\n", "odd/script": "import os\n"},
    ],
    ids=["extended", "extended twice", "another ending", "in a folder"],
)
def test_files_that_a_configuration_names_are_found_wherever_it_does(
    root: Path, tree: dict[str, str | bytes]
) -> None:
    write(root, {"oddscript": "import os\n", **tree})
    found = {path for path, finding in checked(root).findings if finding.code == "F401"}
    assert found & {b"oddscript", b"code.x", b"odd/script"}


@pytest.mark.anyio
async def test_a_word_in_a_comment_does_not_make_every_file_be_looked_at(root: Path) -> None:
    write(root, {"pyproject.toml": "[tool.ruff]\nextend-include = []\n# include = ['*.x'] for ruff\n"})
    async with opened(root) as bench:
        assert not bench.contexts.scope().wide


@pytest.mark.anyio
async def test_a_configuration_outside_the_root_and_a_module_that_no_scan_shows_are_noticed(
    root: Path, tmp_path: Path
) -> None:
    write(root, {".gitignore": "made/\n"})
    async with opened(root) as bench:
        assert not bench.contexts.surroundings_changed()
        write(root, {"made/m.py": ""})
        assert bench.contexts.surroundings_changed()
        await read_again(bench)
        assert not bench.contexts.surroundings_changed()
        write(tmp_path, {"ruff.toml": "lint.select = ['D']\n"})
        assert bench.contexts.surroundings_changed()
