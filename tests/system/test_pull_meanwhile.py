"""What a user does to the repository while a pull takes its commits over is seen: only the branch it began on moves."""

import os
import shutil
from pathlib import Path

import pytest

from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.system.pull import pull
from tests.git_trees import GitTree, make_git_tree


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


async def pulled(tree: GitTree, path: str) -> PullResult:
    return await pull(os.fsencode(tree.clone), tree.folder / "scratch", tree.environment(PATH=path))


def git_with_company(tree: GitTree, pattern: str, *arguments: str, after: bool = False) -> str:
    """A PATH whose git, around what has this pattern, runs another command in the clone, as its user would."""
    real = shutil.which("git")
    folder = tree.folder / "bin"
    folder.mkdir()
    user = f'env -i PATH="$PATH" HOME="$HOME" "{real}" -C "{tree.clone}" {" ".join(arguments)} >&2'
    steps = f'"{real}" "$@"; code=$?; {user}; exit $code' if after else user
    (folder / "git").write_text(f'#!/bin/sh\ncase " $* " in {pattern}) {steps};; esac\nexec "{real}" "$@"\n')
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


_TAKE_OVER, _MERGE = "*/quarantine*", '*" merge "*'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "words"),
    [(("checkout", "-q", "release"), "HEAD moved"), (("checkout", "-q", "--detach"), "HEAD is detached")],
)
async def test_a_branch_checked_out_during_the_take_over_is_not_forwarded(
    tree: GitTree, command: tuple[str, ...], words: str
) -> None:
    tree.git("branch", "release")
    head, tracked = tree.head(), tree.git("rev-parse", "origin/main")
    result = await pulled(tree, git_with_company(tree, _TAKE_OVER, *command))
    assert result.result is PullOutcome.SKIPPED, result
    assert words in result.reason
    assert tree.git("cat-file", "-t", tree.tip()) == "commit", "the take-over ran"
    assert [tree.git("rev-parse", name) for name in ("main", "release")] == [head, head]
    assert tree.git("rev-parse", "origin/main") == tracked
    assert tree.git("status", "--porcelain") == ""
    assert not (tree.folder / "scratch").exists()


@pytest.mark.anyio
async def test_a_change_that_is_made_during_the_take_over_is_not_forwarded_over(tree: GitTree) -> None:
    head = tree.head()
    result = await pulled(tree, git_with_company(tree, _TAKE_OVER, "rm", "-q", "sub/c.py"))
    assert result.result is PullOutcome.SKIPPED, result
    assert "uncommitted changes of sub/c.py" in result.reason
    assert tree.head() == head


@pytest.mark.anyio
async def test_an_operation_that_begins_during_the_take_over_is_left_alone(tree: GitTree) -> None:
    head = tree.head()
    result = await pulled(tree, git_with_company(tree, _TAKE_OVER, "bisect", "start"))
    assert result.result is PullOutcome.SKIPPED, result
    assert "a bisection is under way" in result.reason
    assert tree.head() == head


@pytest.mark.anyio
async def test_another_branch_that_is_moved_after_all_is_named_and_no_success(tree: GitTree) -> None:
    tree.git("branch", "release")
    head, tracked = tree.head(), tree.git("rev-parse", "origin/main")
    result = await pulled(tree, git_with_company(tree, _MERGE, "checkout", "-q", "release"))
    assert result.result is PullOutcome.FAILED, result
    assert (
        f"HEAD left main during the fast-forward, and is on release; release moved to {tree.tip()[:12]}"
        in (result.reason)
    )
    assert tree.git("rev-parse", "main") == head
    assert tree.git("rev-parse", "origin/main") == tracked


@pytest.mark.anyio
async def test_a_branch_that_is_left_after_the_merge_is_named_and_its_upstream_follows(tree: GitTree) -> None:
    tree.git("branch", "release")
    path = git_with_company(tree, _MERGE, "checkout", "-q", "release", after=True)
    result = await pulled(tree, path)
    assert result.result is PullOutcome.FAILED, result
    assert f"and is on release; main moved to {tree.tip()[:12]}" in result.reason
    assert tree.git("rev-parse", "main") == tree.tip()
    assert tree.git("rev-parse", "origin/main") == tree.tip()
