"""What nobody uses any more is removed; what is new, served, another's or of another kind stays."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from konivrer_watch.core.heal import OLD, Leftover
from konivrer_watch.system.leftovers import Place, old_entries, remove_leftovers

EVERYTHING = frozenset(Leftover)
COOKIE = ".watchman-cookie-konivrer-watch"


def removed(folder: Path, kinds: frozenset[Leftover] = EVERYTHING) -> dict[str, str | None]:
    return {each.path.name: each.fault for each in remove_leftovers([Place(folder, kinds)], 60.0)}


def age(path: Path, seconds: float = 2 * OLD) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def write(folder: Path, name: str, seconds: float = 2 * OLD) -> Path:
    path = folder / name
    path.write_text("x")
    age(path, seconds)
    return path


@contextmanager
def listening(path: Path, backlog: int = 1) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        age(path)
        yield listener


def test_old_drafts_and_cookies_go_and_new_ones_stay(tmp_path: Path) -> None:
    for name in ("service.json.1", COOKIE, "heal-test.3"):
        write(tmp_path, name)
    for name in ("service.json.2", "trust.json.4"):
        write(tmp_path, name, OLD / 2)
    write(tmp_path, "timers.json.5", -1e6)
    assert removed(tmp_path) == {"service.json.1": None, COOKIE: None, "heal-test.3": None}
    assert sorted(os.listdir(tmp_path)) == ["service.json.2", "timers.json.5", "trust.json.4"]


def test_what_has_another_name_or_kind_than_asked_for_stays(tmp_path: Path) -> None:
    for name in ("service.json", "index.lock", "a.py", "service.json.1.bak", COOKIE):
        write(tmp_path, name)
    assert removed(tmp_path, frozenset([Leftover.DRAFT])) == {}
    assert len(os.listdir(tmp_path)) == 5


def test_links_folders_and_files_of_two_names_are_somebody_elses(tmp_path: Path) -> None:
    target = write(tmp_path, "target")
    (tmp_path / "service.json.1").symlink_to(target)
    age(tmp_path / "service.json.1")
    (tmp_path / "service.json.2").mkdir()
    age(tmp_path / "service.json.2")
    os.link(write(tmp_path, "service.json.3"), tmp_path / "second name")
    write(tmp_path, "control.sock")
    assert removed(tmp_path) == {}


def test_a_folder_that_is_a_link_or_missing_is_not_entered(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    write(real, COOKIE)
    (tmp_path / ".git").symlink_to(real)
    assert removed(tmp_path / ".git") == {}
    assert removed(tmp_path / "missing") == {}
    assert (real / COOKIE).exists()


def test_a_socket_that_nobody_serves_goes(tmp_path: Path) -> None:
    with listening(tmp_path / "control.sock"):
        assert removed(tmp_path) == {}
    assert removed(tmp_path) == {"control.sock": None}


def test_a_socket_whose_service_is_too_busy_to_answer_stays(tmp_path: Path) -> None:
    with listening(tmp_path / "control.sock", backlog=0), socket.socket(socket.AF_UNIX) as first:
        first.connect(str(tmp_path / "control.sock"))
        assert removed(tmp_path) == {}


def test_a_socket_that_somebody_is_about_to_make_anew_stays(tmp_path: Path) -> None:
    with listening(tmp_path / "control.sock"):
        pass
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert removed(tmp_path) == {}
    finally:
        os.close(held)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_said(tmp_path: Path) -> None:
    write(tmp_path, "service.json.1")
    tmp_path.chmod(0o500)
    try:
        assert removed(tmp_path) == {"service.json.1": "Permission denied"}
    finally:
        tmp_path.chmod(0o700)


def test_entries_are_old_after_an_hour(tmp_path: Path) -> None:
    write(tmp_path, "old")
    write(tmp_path, "new", 60)
    assert old_entries(tmp_path) == ["old"]
    assert old_entries(tmp_path / "missing") == []
