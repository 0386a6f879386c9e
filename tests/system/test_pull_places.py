"""A pull runs where the root is the top of a work tree that is ours, of whatever kind, and nowhere else."""

import os
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.system.pull import pull
from tests.git_trees import GitTree, make_git_tree, make_submodule


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


def pulled(tree: GitTree, root: Path | bytes, folder: Path | None = None) -> PullResult:
    async def run() -> PullResult:
        return await pull(os.fsencode(root), folder or tree.folder / "scratch", tree.environment())

    return anyio.run(run)


def test_a_folder_outside_git_is_skipped(tree: GitTree) -> None:
    result = pulled(tree, tree.folder)
    assert (result.result, result.reason) == (PullOutcome.SKIPPED, "the root is in no git work tree")
    assert (result.before, result.after) == (None, None)


def test_a_bare_repository_is_skipped(tree: GitTree) -> None:
    assert pulled(tree, tree.remote).reason == "the root is in no git work tree"


def test_a_folder_below_the_top_is_skipped(tree: GitTree) -> None:
    result = pulled(tree, tree.clone / "sub")
    assert result.result is PullOutcome.SKIPPED
    assert result.reason == f"the root is not the top of its work tree, which is {tree.clone}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
@pytest.mark.parametrize("name", [".", ".git"])
def test_what_belongs_to_another_user_is_skipped(tree: GitTree, name: str) -> None:
    os.chown(tree.clone / name, 12345, 12345)
    before = tree.snapshot()
    result = pulled(tree, tree.clone)
    assert result.result is PullOutcome.SKIPPED
    assert result.reason.endswith("belongs to another user")
    assert tree.snapshot() == before


def test_a_shallow_clone_is_forwarded_and_stays_shallow(tree: GitTree) -> None:
    shallow = tree.folder / "shallow"
    tree.git("clone", "-q", "--depth=1", f"file://{tree.remote}", shallow, cwd=tree.folder)
    graft = (shallow / ".git/shallow").read_bytes()
    tip = tree.push({"d.py": ""})
    result = pulled(tree, shallow)
    assert result.result is PullOutcome.UPDATED, result
    assert tree.git("rev-parse", "HEAD", cwd=shallow) == tip
    assert tree.git("status", "--porcelain", "--branch", cwd=shallow) == "## main...origin/main"
    assert (shallow / ".git/shallow").read_bytes() == graft
    assert tree.git("fsck", cwd=shallow) == ""


def test_a_linked_work_tree_is_forwarded_by_itself(tree: GitTree) -> None:
    tree.git("push", "-q", "origin", "main~0:refs/heads/topic")
    tree.git("fetch", "-q", "origin", "topic:refs/remotes/origin/topic")
    linked = tree.folder / "linked"
    tree.git("worktree", "add", "-q", "--track", "-b", "topic", linked, "origin/topic")
    tree.git("update-ref", "refs/heads/topic", "main", cwd=tree.remote)
    old = tree.head()
    result = pulled(tree, linked)
    assert result.result is PullOutcome.UPDATED, result
    assert tree.git("rev-parse", "HEAD", cwd=linked) == tree.tip()
    assert tree.git("status", "--porcelain", "--branch", cwd=linked) == "## topic...origin/topic"
    assert tree.head() == old
    assert tree.git("status", "--porcelain") == ""


def test_a_submodule_is_forwarded_as_a_repository_of_its_own(tree: GitTree) -> None:
    make_submodule(tree)
    module = tree.clone / "sub/module"
    assert (module / ".git").is_file()
    tree.git("push", "-q", tree.folder / "module.git", "HEAD:main")
    old = tree.git("rev-parse", "HEAD", cwd=module)
    result = pulled(tree, module)
    assert result.result is PullOutcome.UPDATED, result
    assert result.before == old
    assert tree.git("status", "--porcelain", cwd=module) == ""


def test_names_that_are_not_utf8_are_pulled_and_named(tree: GitTree) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    tree.push({name: "x = 1\n", os.fsdecode(b"d\xe9/e.py"): ""})
    assert pulled(tree, tree.clone).result is PullOutcome.UPDATED
    assert (tree.clone / name).read_text() == "x = 1\n"
    (tree.clone / name).write_text("mine")
    assert pulled(tree, tree.clone).reason == r"uncommitted changes of caf\xe9.py"


def test_a_root_whose_name_has_what_git_quotes_is_pulled(tree: GitTree) -> None:
    odd = tree.folder / os.fsdecode(b'a "b\\:c\xff\nd')
    tree.clone.rename(odd)
    result = pulled(tree, odd, tree.folder / 'st"a\\t:e')
    assert result.result is PullOutcome.UPDATED, result


def test_borrowed_objects_and_a_relative_remote_are_found(tree: GitTree) -> None:
    objects = tree.clone / ".git/objects"
    moved = tree.folder / "moved"
    objects.rename(moved)
    (objects / "info").mkdir(parents=True)
    (objects / "info/alternates").write_text("../../../moved\n")
    tree.git("config", "remote.origin.url", "../remote.git")
    result = pulled(tree, tree.clone)
    assert result.result is PullOutcome.UPDATED, result
    assert tree.git("fsck") == ""


def test_packed_references_and_a_missing_reflog_stay_as_they_are(tree: GitTree) -> None:
    tree.git("pack-refs", "--all")
    for log in sorted((tree.clone / ".git/logs").rglob("*"), reverse=True):
        log.rmdir() if log.is_dir() else log.unlink()
    (tree.clone / ".git/logs").rmdir()
    result = pulled(tree, tree.clone)
    assert result.result is PullOutcome.UPDATED, result
    assert not (tree.clone / ".git/logs/refs").exists()
    assert tree.git("status", "--porcelain", "--branch") == "## main...origin/main"


def test_a_sparse_checkout_stays_sparse(tree: GitTree) -> None:
    tree.git("sparse-checkout", "set", "--sparse-index", "other")
    tree.push({"sub/c.py": "2\n", "other/d.py": ""})
    result = pulled(tree, tree.clone)
    assert result.result is PullOutcome.UPDATED, result
    assert not (tree.clone / "sub").exists()
    assert (tree.clone / "other/d.py").exists()
    assert tree.git("status", "--porcelain") == ""


def test_line_ends_are_those_that_the_repository_configures(tree: GitTree) -> None:
    tree.git("config", "core.autocrlf", "true")
    for name in ("a.py", "sub/c.py"):
        (tree.clone / name).unlink()
    tree.git("checkout", "-q", "--", ".")
    assert (tree.clone / "sub/c.py").read_bytes() == b"x = 1\r\n"
    result = pulled(tree, tree.clone)
    assert result.result is PullOutcome.UPDATED, result
    assert (tree.clone / "a.py").read_bytes() == b"import sys\r\n"
    assert tree.git("status", "--porcelain") == ""
