"""What others pushed is there after a start, judged and told; a restart after a crash does not pull again."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.git_trees import GitTree, make_git_tree
from tests.whole.program import is_summary, run, watching

UNUSED = "import os\n"


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    """A clone that lags behind: ``new.py`` has been pushed since."""
    tree = make_git_tree(tmp_path)
    tree.push({"new.py": UNUSED})
    return tree


def status(root: Path) -> Any:
    return json.loads(run("status", "--format", "json", "--sync", "--findings", root).stdout)


def test_a_start_pulls_says_so_and_judges_what_came(tree: GitTree) -> None:
    before = tree.head()
    with watching(tree.clone, "--plain") as watcher:
        line = watcher.wait_for(lambda line: "pull: " in line)
        assert "pull: updated: " in line
        assert "2 commits from origin/main" in line
        told = status(tree.clone)
        assert told["pull"]["result"] == "updated"
        assert before[:12] in told["pull"]["reason"]
        assert [finding["path"] for finding in told["findings_list"]].count("new.py") == 1
    assert (tree.clone / "new.py").read_text() == UNUSED
    assert tree.head() != before
    assert tree.git("status", "--porcelain") == ""


@pytest.mark.parametrize("how", ["--no-pull", "pull = false", "KONIVRER_WATCH_PULL"])
def test_who_does_not_want_it_is_left_alone(tree: GitTree, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree.head()
    options = ["--no-pull"] if how == "--no-pull" else []
    if how == "pull = false":
        (tree.clone / "konivrer-watch.toml").write_text("pull = false\n")
    if how == "KONIVRER_WATCH_PULL":
        monkeypatch.setenv(how, "no")
    with watching(tree.clone, "--plain", *options) as watcher:
        watcher.wait_for(is_summary)
        told = status(tree.clone)
        assert told["pull"]["result"] == "off"
    assert not any("pull" in line for line in watcher.lines)
    assert tree.head() == before


def test_work_that_is_not_committed_is_named_and_nothing_is_touched(tree: GitTree) -> None:
    (tree.clone / "a.py").write_text("x = 1\n")
    before = tree.head()
    with watching(tree.clone, "--plain") as watcher:
        line = watcher.wait_for(lambda line: "pull: " in line)
    assert "pull: skipped: " in line
    assert "uncommitted changes" in line
    assert tree.head() == before
    assert (tree.clone / "a.py").read_text() == "x = 1\n"


def test_settings_that_change_begin_the_watch_anew_without_another_pull(tree: GitTree) -> None:
    with watching(tree.clone, "--plain") as watcher:
        watcher.wait_for(lambda line: "pull: updated" in line)
        (tree.clone / "konivrer-watch.toml").write_text('fail_on = "error"\n')
        watcher.wait_for(lambda line: "it begins anew" in line)
        watcher.wait_for(is_summary)
        assert status(tree.clone)["pull"]["result"] == "updated"


def test_the_pull_leaves_no_folder_of_its_own(tree: GitTree) -> None:
    with watching(tree.clone, "--plain") as watcher:
        watcher.wait_for(lambda line: "pull: " in line)
        assert not list(Path(os.environ["KONIVRER_WATCH_STATE_DIR"]).glob("*/pull"))
