"""A pull is a fast-forward of a clean tree, or leaves every byte of the repository as it was and says why."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.system.pull import pull
from tests.git_trees import BEHIND, GitTree, make_git_tree


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


def pulled(tree: GitTree, root: Path | None = None, **environment: str) -> PullResult:
    """What one pull says; it leaves nothing of its own behind."""
    folder = tree.folder / "scratch"

    async def run() -> PullResult:
        return await pull(os.fsencode(root or tree.clone), folder, tree.environment(**environment))

    result = anyio.run(run)
    assert not folder.exists()
    assert "\n" not in result.reason
    return result


def assert_skipped(tree: GitTree, words: str, root: Path | None = None, **environment: str) -> PullResult:
    before = tree.snapshot()
    result = pulled(tree, root, **environment)
    assert result.result is PullOutcome.SKIPPED, result
    assert words in result.reason
    assert tree.snapshot() == before
    return result


def test_a_clean_tree_is_forwarded_to_its_upstream(tree: GitTree) -> None:
    old = tree.head()
    result = pulled(tree)
    assert result.result is PullOutcome.UPDATED, result
    assert (result.before, result.after) == (old, tree.tip())
    assert result.reason == f"{old[:12]}..{tree.tip()[:12]}, 1 commit from origin/main"
    assert (tree.clone / "a.py").read_text() == "import sys\n"
    assert (tree.clone / "b.py").read_text() == "y = 2\n"
    assert tree.git("status", "--porcelain", "--branch") == "## main...origin/main"
    assert tree.git("rev-parse", "origin/main") == tree.tip()
    assert "konivrer-watch: pull" in (tree.clone / ".git/logs/HEAD").read_text().splitlines()[-1]
    assert not list(tree.clone.rglob("*.lock"))


@pytest.mark.parametrize(("root_mode", "file_mode"), [(0o755, 0o644), (0o700, 0o600), (0o775, 0o664)])
def test_files_are_as_open_as_the_root_whatever_the_services_own_umask(
    tree: GitTree, root_mode: int, file_mode: int
) -> None:
    tree.clone.chmod(root_mode)
    before = os.umask(0o077)
    try:
        assert pulled(tree).result is PullOutcome.UPDATED
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tree.clone / name).stat().st_mode) for name in BEHIND] == [file_mode] * 2


def test_a_second_pull_finds_nothing_new_and_writes_nothing(tree: GitTree) -> None:
    pulled(tree)
    before = tree.snapshot()
    result = pulled(tree)
    assert (result.result, result.reason) == (PullOutcome.CURRENT, "nothing new on origin/main")
    assert tree.snapshot() == before


def test_a_branch_that_is_only_ahead_is_current(tree: GitTree) -> None:
    pulled(tree)
    tree.commit(tree.clone, {"mine.py": ""})
    before = tree.snapshot()
    result = pulled(tree)
    assert (result.result, result.reason) == (
        PullOutcome.CURRENT,
        "nothing new on origin/main (1 commit ahead)",
    )
    assert tree.snapshot() == before


def test_untracked_and_ignored_files_are_no_hindrance(tree: GitTree) -> None:
    (tree.clone / "new.py").write_text("mine")
    (tree.clone / ".git/info/exclude").write_text("ignored.py\n")
    (tree.clone / "ignored.py").write_text("mine")
    assert pulled(tree).result is PullOutcome.UPDATED
    assert (tree.clone / "new.py").read_text() == "mine"


@pytest.mark.parametrize("exclude", ["", "b.py\n"], ids=["untracked", "ignored"])
def test_a_file_of_the_users_is_never_overwritten(tree: GitTree, exclude: str) -> None:
    (tree.clone / ".git/info/exclude").write_text(exclude)
    (tree.clone / "b.py").write_text("mine")
    assert_skipped(tree, "git would refuse: Untracked working tree file 'b.py' would be overwritten by merge")


def dirty(tree: GitTree) -> None:
    (tree.clone / "sub/c.py").write_text("mine")


def staged(tree: GitTree) -> None:
    dirty(tree)
    tree.git("add", "-A")
    (tree.clone / "sub/c.py").write_text("x = 1\n")


def removed(tree: GitTree) -> None:
    (tree.clone / "sub/c.py").unlink()


def two_dirty(tree: GitTree) -> None:
    dirty(tree)
    (tree.clone / "a.py").write_bytes(b"")


def detached(tree: GitTree) -> None:
    tree.git("checkout", "-q", "--detach")


def diverged(tree: GitTree) -> None:
    tree.commit(tree.clone, {"mine.py": "1"})
    tree.commit(tree.clone, {"mine.py": "2"})


def no_upstream(tree: GitTree) -> None:
    tree.git("checkout", "-q", "-b", "topic")


def local_upstream(tree: GitTree) -> None:
    tree.git("checkout", "-q", "-b", "topic", "--track", "main")


def unborn(tree: GitTree) -> None:
    tree.git("checkout", "-q", "--orphan", "fresh")


def bare(tree: GitTree) -> None:
    tree.git("config", "core.bare", "true")


def locked(tree: GitTree) -> None:
    (tree.clone / ".git/index.lock").touch()


def rebasing(tree: GitTree) -> None:
    tree.commit(tree.clone, {"a.py": "mine\n"})
    tree.git("fetch", "-q")
    tree.git("rebase", "origin/main", check=False)


def merging(tree: GitTree) -> None:
    tree.commit(tree.clone, {"a.py": "mine\n"})
    tree.git("pull", "--no-rebase", check=False)


def picking(tree: GitTree) -> None:
    tree.commit(tree.clone, {"a.py": "mine\n"})
    tree.git("fetch", "-q")
    tree.git("cherry-pick", "origin/main", check=False)


def reverting(tree: GitTree) -> None:
    tree.commit(tree.clone, {"a.py": "1\n"})
    tree.commit(tree.clone, {"a.py": "2\n"})
    tree.git("revert", "--no-edit", "HEAD~1", check=False)


def applying(tree: GitTree) -> None:
    patch = tree.folder / "patch"
    patch.write_text("From: a <a@b>\nSubject: s\n\n---\n--- a/no\n+++ b/no\n@@ -1 +1 @@\n-a\n+b\n-- \n")
    tree.git("am", patch, check=False)


def bisecting(tree: GitTree) -> None:
    tree.git("bisect", "start")


def helper(tree: GitTree) -> None:
    tree.configure('[remote "origin"]\n\tvcs = hg')


def no_url(tree: GitTree) -> None:
    tree.git("config", "--unset", "remote.origin.url")


def elsewhere(tree: GitTree) -> None:
    tree.git("config", "core.worktree", tree.folder)


def partial(tree: GitTree) -> None:
    tree.configure('[remote "origin"]\n\tpromisor = true')


def reftable(tree: GitTree) -> None:
    tree.configure("[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\trefStorage = reftable")


def odd_branch(tree: GitTree) -> None:
    (tree.clone / ".git/HEAD").write_bytes(b"ref: refs/heads/\xff\n")


HINDRANCES: dict[str, tuple[Callable[[GitTree], None], str]] = {
    "a changed file": (dirty, "uncommitted changes of sub/c.py"),
    "a staged file": (staged, "uncommitted changes of sub/c.py"),
    "a removed file": (removed, "uncommitted changes of sub/c.py"),
    "two changed files": (two_dirty, "uncommitted changes of 2 files, such as a.py"),
    "HEAD detached": (detached, "HEAD is detached"),
    "diverged": (diverged, "diverged from origin/main: 2 ahead, 1 behind"),
    "no upstream": (no_upstream, "branch topic has no upstream"),
    "a local upstream": (local_upstream, "branch topic follows a local branch"),
    "HEAD unborn": (unborn, "branch fresh has no commit yet"),
    "bare": (bare, "the repository is bare"),
    "index.lock": (locked, "another git command is at work"),
    "a rebase": (rebasing, "a rebase is under way"),
    "a merge": (merging, "a merge is under way"),
    "a cherry-pick": (picking, "a cherry-pick is under way"),
    "a revert": (reverting, "a revert is under way"),
    "git am": (applying, "'git am' is under way"),
    "a bisection": (bisecting, "a bisection is under way"),
    "a remote helper": (helper, "needs the helper hg"),
    "no URL": (no_url, "the remote origin has no URL"),
    "a work tree elsewhere": (elsewhere, "the repository's work tree is elsewhere"),
    "a partial clone": (partial, "it is a partial clone"),
    "reftable": (reftable, "git does not know the repository's format"),
    "a branch that is not UTF-8": (odd_branch, "a name that is not UTF-8"),
}


@pytest.mark.parametrize(("arrange", "words"), HINDRANCES.values(), ids=HINDRANCES)
def test_what_is_in_the_way_is_said_and_nothing_is_touched(
    tree: GitTree, arrange: Callable[[GitTree], None], words: str
) -> None:
    arrange(tree)
    assert_skipped(tree, words)
    assert not (tree.folder / "scratch").exists()


def test_without_git_the_pull_fails_and_says_so(tree: GitTree) -> None:
    result = pulled(tree, PATH=str(tree.folder))
    assert result.result is PullOutcome.FAILED
    assert "git is not installed" in result.reason


def test_a_git_that_is_too_old_is_not_used(tree: GitTree) -> None:
    old = tree.folder / "bin"
    old.mkdir()
    (old / "git").write_text("#!/bin/sh\necho git version 2.17.1\n")
    (old / "git").chmod(0o755)
    assert "git 2.17 is too old" in pulled(tree, PATH=f"{old}:{os.environ['PATH']}").reason


def test_a_remote_that_is_gone_fails_with_its_cause(tree: GitTree) -> None:
    shutil.rmtree(tree.remote)
    before = tree.snapshot()
    result = pulled(tree)
    assert result.result is PullOutcome.FAILED
    assert f"origin ({tree.remote}) cannot be fetched: '{tree.remote}' does not appear" in result.reason
    assert "try 'git fetch origin'" in result.reason
    assert tree.snapshot() == before


def test_an_upstream_branch_that_is_gone_fails_with_its_cause(tree: GitTree) -> None:
    tree.git("branch", "-m", "main", "other", cwd=tree.remote)
    assert "couldn't find remote ref refs/heads/main" in pulled(tree).reason
