"""``check`` says what ruff and bandit say, also after each edit that changes their minds, with what it remembers."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bench.parity import Place, bandits, ruffs
from tests.cli.running import answer
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

BROKEN = "nested/ruff.toml"
EDITS: dict[str, Edit] = {
    "a folder becomes a package": made("loose/__init__.py"),
    "and is none again": gone("loose/__init__.py"),
    "a package's mark is lost": gone("pkg/__init__.py"),
    "and is back": made("pkg/__init__.py"),
    "a first-party module": made("helpers.py", "import os\n"),
    "and none again": gone("helpers.py"),
    "a first-party folder that git ignores": made("thirdish/inner.py", "import os\n"),
    "a file becomes executable": mode("plain.py", 0o755),
    "another one without a shebang": mode("app.py", 0o755),
    "and is not any more": mode("app.py", 0o644),
    "the root's rules": replaced("pyproject.toml", '"B", ', ""),
    "the Python version": replaced("pyproject.toml", ">=3.9", ">=3.10"),
    "what files ruff ignores rules in": replaced("pyproject.toml", "legacy/*", "loose/*"),
    "what ruff excludes": replaced("pyproject.toml", '["generated"]', '["pkg"]'),
    "what ruff includes": replaced("pyproject.toml", "tools/oddscript", "tools/other"),
    "bandit's skips": replaced("pyproject.toml", 'skips = ["B101"]', 'skips = ["B404"]'),
    "what bandit excludes": replaced("pyproject.toml", '["examples"]', '["pkg"]'),
    "everything as it was": made("pyproject.toml", PYPROJECT),
    "a folder's rules": made(BROKEN, "lint.select = ['F', 'B']\n"),
    "the file another one extends": made("base.toml", "lint.select = ['E', 'B']\n"),
    "a nested project's Python version": replaced("inner/pyproject.toml", ">=3.11", ">=3.9"),
    "a folder gets rules of its own": made("pkg/sub/ruff.toml", "lint.select = ['F', 'D']\n"),
    "and loses them": gone("pkg/sub/ruff.toml"),
    "another time of modification": touched,
    "other bytes under the old time": stealthy,
    "an ignore file says less": made("pkg/.gitignore", ""),
    "an ignore file says more": made("loose/.gitignore", "m.py\n"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    make_tree(root)
    return root


def ours(root: Path) -> dict[str, set[Place]]:
    found: dict[str, set[Place]] = {"lint": set(), "security": set(), "optimize": set()}
    for each in answer("check", "--format", "json", str(root))[1]["findings"]:
        found[each["pass"]].add((each["path"], each["line"], each["column"], each["code"]))
    return found


def without_ignored(root: Path, places: set[Place]) -> set[Place]:
    names = {place[0] for place in places}
    ended = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=root,
        input="\0".join(names).encode(),
        capture_output=True,
        check=False,
    )
    assert ended.returncode in {0, 1}, ended.stderr
    ignored = set(ended.stdout.decode().split("\0"))
    return {place for place in places if place[0] not in ignored}


def theirs(root: Path, *ruff_options: str) -> dict[str, set[Place]]:
    return {
        "lint": without_ignored(root, ruffs(root, list(ruff_options))),
        "security": without_ignored(root, bandits(root, ["-c", "pyproject.toml"])),
    }


def both(root: Path) -> tuple[dict[str, set[Place]], dict[str, set[Place]]]:
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(theirs, root)
        return ours(root), there.result()


def test_check_says_what_ruff_and_bandit_say_and_still_does_after_every_edit(root: Path) -> None:
    here, there = both(root)
    assert len(there["lint"]) > 40 and len(there["security"]) > 20
    assert {pass_: here[pass_] ^ there[pass_] for pass_ in there} == {"lint": set(), "security": set()}
    idle = []
    for name, edit in EDITS.items():
        edit(root)
        before = there
        here, there = both(root)
        assert {pass_: here[pass_] ^ there[pass_] for pass_ in there} == {"lint": set(), "security": set()}, (
            name
        )
        if before == there:
            idle.append(name)
    # An edit that changes nobody's mind shows nothing.
    assert idle == ["another time of modification"]


def test_a_broken_configuration_is_named_and_costs_its_own_folder_only(root: Path) -> None:
    before = ours(root)
    (root / BROKEN).write_text("lint.select = 'F'\n")
    code, report = answer("check", "--format", "json", str(root))
    assert (code, report["complete"]) == (1, False)
    blamed = [problem for problem in report["problems"] if problem["path"].startswith("nested")]
    assert [(each["path"], each["pass"]) for each in blamed] == [(BROKEN, "lint")]
    here = ours(root)
    assert here["security"] == before["security"] == theirs(root, "--extend-exclude", "nested")["security"]
    assert here["lint"] == theirs(root, "--extend-exclude", "nested")["lint"]
    assert before["lint"] > here["lint"]
    write_back = TREE[BROKEN]
    assert isinstance(write_back, str)
    (root / BROKEN).write_text(write_back)
    assert ours(root) == before


def test_the_command_itself_says_what_the_engines_say(root: Path) -> None:
    program = Path(sys.executable).with_name("konivrer-watch")
    ended = subprocess.run([program, "check", "--format", "json", root], capture_output=True, check=False)
    report = json.loads(ended.stdout)
    found = {
        pass_: {
            (each["path"], each["line"], each["column"], each["code"])
            for each in report["findings"]
            if each["pass"] == pass_
        }
        for pass_ in ("lint", "security")
    }
    assert found == theirs(root)
