"""Whatever ends a pull, nothing that it started is left: no process, no lock, no folder, no half of a commit."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.system.pull import pull, remove_leftovers
from tests.git_trees import GitTree, make_git_tree

_PARENT = """
import anyio, json, os, sys
from pathlib import Path
from konivrer_watch.system.pull import pull
root, folder, environment = json.loads(sys.argv[1])
async def main():
    await pull(os.fsencode(root), Path(folder), environment, protocols=("git",))
anyio.run(main)
"""


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


async def pulled(tree: GitTree, deadline: float = 60.0, grace: float = 60.0, path: str = "") -> PullResult:
    environment = tree.environment(PATH=path or os.environ["PATH"])
    root, folder = os.fsencode(tree.clone), tree.folder / "scratch"
    return await pull(root, folder, environment, protocols=("git", "file"), deadline=deadline, grace=grace)


def silent_remote(tree: GitTree) -> socket.socket:
    """A server that takes connections and never answers, as the clone's remote."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    tree.git("config", "remote.origin.url", f"git://127.0.0.1:{server.getsockname()[1]}/x.git")
    return server


def accepted(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    connection.settimeout(5)
    # What git asks; nothing after it says that git is still there.
    asked = b""
    while not asked.endswith(b"\0"):
        asked += connection.recv(4096)
    return connection


def git_that_waits(tree: GitTree, command: str) -> tuple[str, Path]:
    """A PATH whose git waits half a second before one command, and the file that tells that it does."""
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    folder, mark = tree.folder / "bin", tree.folder / "waiting"
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" {command} "*) touch "{mark}"; sleep 0.5;; esac\nexec "{real}" "$@"\n'
    )
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}", mark


def assert_whole(tree: GitTree, commit: str) -> None:
    """The tree, the index and the branch are at one commit, and nothing is locked."""
    assert tree.head() == commit
    assert tree.git("status", "--porcelain") == ""
    assert not list(tree.clone.rglob("*.lock"))
    assert not (tree.folder / "scratch").exists()


@pytest.mark.anyio
async def test_a_remote_that_never_answers_costs_the_deadline_and_leaves_nothing(tree: GitTree) -> None:
    with silent_remote(tree) as server:
        before = tree.snapshot()
        async with anyio.create_task_group() as group:
            connection = None

            async def accept() -> None:
                nonlocal connection
                connection = await anyio.to_thread.run_sync(accepted, server)

            group.start_soon(accept)
            result = await pulled(tree, deadline=2.0)
        assert connection is not None
        with connection:
            assert connection.recv(1) == b""
    assert result.result is PullOutcome.FAILED
    assert result.reason.startswith("the remote origin (git://127.0.0.1:")
    assert result.reason.endswith("did not answer within 2 s")
    assert tree.snapshot() == before
    assert not (tree.folder / "scratch").exists()


def test_a_pull_whose_parent_is_killed_ends_with_it(tree: GitTree) -> None:
    arguments = [str(tree.clone), str(tree.folder / "scratch"), tree.environment()]
    with silent_remote(tree) as server:
        before = tree.snapshot()
        parent = subprocess.Popen([sys.executable, "-c", _PARENT, json.dumps(arguments)])
        with accepted(server) as connection:
            parent.send_signal(signal.SIGKILL)
            parent.wait(10)
            assert connection.recv(1) == b""
    assert tree.snapshot() == before


@pytest.mark.anyio
async def test_what_an_earlier_pull_left_is_removed_first(tree: GitTree) -> None:
    old = tree.folder / "scratch" / "shadow"
    old.mkdir(parents=True)
    (old / "refs").symlink_to(tree.clone / ".git/refs")
    assert (await pulled(tree)).result is PullOutcome.UPDATED
    assert_whole(tree, tree.tip())


@pytest.mark.anyio
async def test_a_pull_that_is_cancelled_before_the_forward_changes_nothing(tree: GitTree) -> None:
    path, mark = git_that_waits(tree, "rev-list")
    before = tree.snapshot()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: pulled(tree, path=path))
        while not mark.exists():
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert tree.snapshot() == before
    assert not (tree.folder / "scratch").exists()


@pytest.mark.anyio
async def test_a_forward_that_has_begun_is_finished_though_the_pull_is_cancelled(tree: GitTree) -> None:
    path, mark = git_that_waits(tree, "merge")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: pulled(tree, path=path))
        while not mark.exists():
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert_whole(tree, tree.tip())


@pytest.mark.anyio
async def test_a_forward_has_a_time_of_its_own(tree: GitTree) -> None:
    path, _ = git_that_waits(tree, "merge")
    head = tree.head()
    result = await pulled(tree, grace=0.3, path=path)
    assert result.result is PullOutcome.FAILED
    assert result.reason == "the fast-forward did not finish within 0.3 s; 'git status' shows how far it came"
    assert_whole(tree, head)


@pytest.mark.anyio
async def test_a_lock_that_appears_meanwhile_is_left_alone_and_nothing_is_forwarded(tree: GitTree) -> None:
    path, mark = git_that_waits(tree, "merge")
    lock = tree.clone / ".git/index.lock"
    head = tree.head()
    results: list[PullResult] = []

    async def run() -> None:
        results.append(await pulled(tree, path=path))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while not mark.exists():
            await anyio.sleep(0.01)
        lock.touch()
    assert results[0].result is PullOutcome.FAILED
    assert "index.lock" in results[0].reason
    assert lock.exists()
    lock.unlink()
    assert_whole(tree, head)


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_made_is_a_failure(tree: GitTree) -> None:
    (tree.folder / "scratch").write_text("")
    before = tree.snapshot()
    result = await pulled(tree)
    assert result.result is PullOutcome.FAILED
    assert result.reason.startswith("the pull cannot be started: ")
    assert tree.snapshot() == before


@pytest.mark.anyio
async def test_the_folder_of_a_pull_that_is_still_at_work_stays_until_it_has_ended(tree: GitTree) -> None:
    folder = tree.folder / "scratch"
    path, mark = git_that_waits(tree, "merge")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: pulled(tree, path=path))
        while not mark.exists():
            await anyio.sleep(0.01)
        await remove_leftovers(folder)
        assert (folder / "shadow").exists()
        second = await pulled(tree)
        assert second.reason == "an earlier pull is still at its fast-forward"
    assert_whole(tree, tree.tip())
