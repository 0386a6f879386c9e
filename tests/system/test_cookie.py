"""The probe's file lies where it harms nobody, and never leads anywhere else."""

import errno
import os
import threading
from pathlib import Path

import anyio
import pytest

from konivrer_watch.system.cookie import Cookie

pytestmark = pytest.mark.anyio
NAME = ".watchman-cookie-konivrer-watch"


class Places:
    """A tree, its state folder, and the probe's file."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.root.mkdir()
        self.state = folder / "state" / "probe"
        self.cookie = Cookie(bytes(self.root), bytes(self.state))

    @property
    def in_git(self) -> Path:
        return self.root / ".git" / NAME

    @property
    def in_state(self) -> Path:
        return self.state / NAME


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path.resolve())


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


async def test_it_lies_in_the_git_folder_changes_at_each_touch_and_goes_at_the_end(places: Places) -> None:
    places.in_git.parent.mkdir()
    contents = []
    for _ in range(3):
        assert await places.cookie.touch() is None
        contents.append(places.in_git.read_bytes())
    assert len(set(contents)) == 3
    assert len(set(map(len, contents))) == 1
    assert places.in_git.stat().st_mode & 0o777 == 0o600
    assert not places.state.exists()
    places.cookie.remove()
    assert list(places.in_git.parent.iterdir()) == []


async def test_without_a_git_folder_it_lies_in_the_state_folder_and_nothing_is_left_in_the_tree(
    places: Places,
) -> None:
    assert await places.cookie.touch() is None
    assert places.in_state.is_file()
    assert places.state.stat().st_mode & 0o777 == 0o700
    assert list(places.root.iterdir()) == []
    places.cookie.remove()
    assert not places.in_state.exists()


async def test_a_git_file_or_a_git_link_is_no_place_for_it(places: Places, tmp_path: Path) -> None:
    (places.root / ".git").write_text("gitdir: ../elsewhere\n")
    assert await places.cookie.touch() is None
    assert places.in_state.is_file()
    (places.root / ".git").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (places.root / ".git").symlink_to(elsewhere)
    assert await places.cookie.touch() is None
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("trap", ["link", "hard link", "FIFO", "folder"])
async def test_what_lies_in_its_place_and_is_not_ours_is_neither_written_nor_removed(
    places: Places, tmp_path: Path, trap: str
) -> None:
    places.in_git.parent.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("x = 1\n")
    match trap:
        case "link":
            places.in_git.symlink_to(precious)
        case "hard link":
            os.link(precious, places.in_git)
        case "FIFO":
            os.mkfifo(places.in_git)
        case _:
            places.in_git.mkdir()
    with anyio.fail_after(5):
        assert await places.cookie.touch() is None
    places.cookie.remove()
    assert precious.read_text() == "x = 1\n"
    assert os.path.lexists(places.in_git)


async def test_where_it_can_be_written_nowhere_that_is_said_with_the_place_and_the_reason(
    places: Places,
) -> None:
    places.state.parent.mkdir()
    places.state.write_text("")
    fault = await places.cookie.touch()
    assert fault is not None
    assert str(places.state) in fault
    assert "File exists" in fault


async def test_a_full_disk_leaves_nothing_behind_and_is_said(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    places.in_git.parent.mkdir()
    monkeypatch.setattr(os, "pwrite", refuse)
    assert "No space left" in str(await places.cookie.touch())
    places.cookie.remove()
    assert not places.in_git.exists()
    assert not places.in_state.exists()


async def test_one_that_lost_its_folder_comes_back(places: Places) -> None:
    places.in_git.parent.mkdir()
    assert await places.cookie.touch() is None
    places.in_git.unlink()
    places.in_git.parent.rmdir()
    assert await places.cookie.touch() is None
    assert places.in_state.is_file()


async def test_only_its_own_places_are_its_and_a_state_folder_in_the_tree_needs_no_watch_of_its_own(
    places: Places,
) -> None:
    assert places.cookie.is_at(bytes(places.in_git))
    assert places.cookie.is_at(bytes(places.in_state))
    assert not places.cookie.is_at(bytes(places.root / NAME))
    assert places.cookie.beside == bytes(places.state)
    assert Cookie(bytes(places.root), bytes(places.root / "state" / "probe")).beside is None


async def test_a_touch_forgets_that_it_was_seen_before(places: Places) -> None:
    places.cookie.seen_nowait()
    await places.cookie.touch()
    with anyio.move_on_after(0.02) as scope:
        await places.cookie.wait_seen()
    assert scope.cancelled_caught
    places.cookie.seen_nowait()
    with anyio.fail_after(1):
        await places.cookie.wait_seen()


async def test_a_file_system_that_hangs_does_not_keep_the_program(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = threading.Event()
    monkeypatch.setattr(places.cookie, "_write", lambda number: leave.wait(10))
    try:
        with anyio.fail_after(2), anyio.move_on_after(0.05) as scope:
            await places.cookie.touch()
    finally:
        leave.set()
    assert scope.cancelled_caught


async def test_a_file_of_the_users_under_its_name_is_neither_written_nor_removed(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "own" / "probe"
    (root / ".git").mkdir(parents=True)
    theirs = root / ".git" / ".watchman-cookie-konivrer-watch"
    theirs.write_text("mine\n")
    cookie = Cookie(bytes(root), bytes(folder))
    assert await cookie.touch() is None
    cookie.remove()
    assert theirs.read_text() == "mine\n"


async def test_what_a_killed_life_left_is_taken_for_ours_and_removed(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "own" / "probe"
    (root / ".git").mkdir(parents=True)
    left = root / ".git" / ".watchman-cookie-konivrer-watch"
    left.write_text("000000000007\n")
    cookie = Cookie(bytes(root), bytes(folder))
    assert await cookie.touch() is None
    assert left.read_text() == "000000000001\n"
    cookie.remove()
    assert not left.exists()
