"""No repository, whatever it configures, has a pull run a program or write beside a fast-forward."""

import os
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.system.pull import pull
from tests.git_trees import GitTree, make_git_tree, snapshot
from tests.whole.hostile_repositories import REPOSITORIES, Hostile

PROTOCOLS = ("https", "ssh", "file", "git", "http")


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


def pulled(tree: GitTree, deadline: float = 60.0) -> PullResult:
    async def run() -> PullResult:
        root = os.fsencode(tree.clone)
        return await pull(
            root, tree.folder / "scratch", tree.environment(), protocols=PROTOCOLS, deadline=deadline
        )

    return anyio.run(run)


@pytest.mark.parametrize("hostile", REPOSITORIES.values(), ids=REPOSITORIES)
def test_nothing_is_run_and_nothing_changes_but_by_a_fast_forward(tree: GitTree, hostile: Hostile) -> None:
    hostile.arrange(tree)
    tree.mark.unlink(missing_ok=True)
    before, everything = tree.snapshot(), snapshot(tree.folder)
    result = pulled(tree)
    assert not tree.mark.exists(), tree.mark.read_text()
    assert result.result is hostile.outcome, result
    assert hostile.words in result.reason
    after = tree.snapshot()
    if result.result is PullOutcome.UPDATED:
        assert_forwarded(tree, before, after)
    else:
        assert after == before
    outside = {path: data for path, data in snapshot(tree.folder).items() if path not in after}
    assert outside == {path: data for path, data in everything.items() if path not in before}


def assert_forwarded(tree: GitTree, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Only files of the newer commit, objects, the two references, HEAD's logs and the index are other than before."""
    tip = tree.tip()
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "diff.external=")
    assert tree.git(*quiet, "rev-parse", "HEAD") == tip
    assert tree.git(*quiet, "write-tree") == tree.git("rev-parse", "main^{tree}", cwd=tree.remote)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    git = f"{tree.clone}/.git/"
    kept = {path.removeprefix(git) for path in changed if path.startswith(git)}
    allowed = {"index", "ORIG_HEAD", "logs/HEAD", "refs/heads/main", "refs/remotes/origin/main"}
    allowed |= {"logs/refs/heads/main", "logs/refs/remotes/origin/main"}
    assert {path for path in kept if not path.startswith("objects/")} <= allowed
    names = {path.removeprefix(f"{tree.clone}/") for path in changed if not path.startswith(git)}
    assert names <= {"a.py", "b.py", "d.py", "e.py"}


CHECKED = {name: hostile for name, hostile in REPOSITORIES.items() if hostile.plain}


@pytest.mark.parametrize("hostile", CHECKED.values(), ids=CHECKED)
def test_git_by_itself_would_run_it(tree: GitTree, hostile: Hostile) -> None:
    hostile.arrange(tree)
    tree.mark.unlink(missing_ok=True)
    tree.git(*hostile.plain, check=False)
    assert tree.mark.exists()


def test_a_configuration_that_never_ends_costs_no_more_than_the_deadline(tree: GitTree) -> None:
    os.mkfifo(tree.folder / "pipe")
    tree.configure(f"[include]\n\tpath = {tree.folder}/pipe")
    result = pulled(tree, deadline=0.9)
    assert result.result is PullOutcome.FAILED
    assert result.reason == "the configuration could not be read within 0.9 s"
