"""What the system says of its disks, processes and watches is what is so."""

import mmap
import os
import sys
from pathlib import Path

import pytest
from watchfiles._rust_notify import RustNotify

from konivrer_watch.system import room
from konivrer_watch.system.room import resident_bytes, room_at, watch_limit, watches_in_use

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
MB = 1 << 20


def test_the_room_on_a_disk_is_some_of_all(tmp_path: Path) -> None:
    found = room_at(tmp_path)
    assert 0 <= found.free <= found.total
    assert 0 <= found.free_files <= found.total_files


def test_of_a_folder_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        room_at(tmp_path / "gone")


@linux
def test_memory_that_is_used_counts() -> None:
    before = resident_bytes(os.getpid())
    with mmap.mmap(-1, 32 * MB) as block:
        block.write(b"x" * (32 * MB))
        after = resident_bytes(os.getpid())
    assert before is not None and after is not None
    assert 24 * MB < after - before < 80 * MB


def test_a_process_that_is_gone_holds_nothing_that_is_known() -> None:
    assert resident_bytes(2**22 + 5) is None


@linux
def test_each_folder_that_is_watched_is_in_use(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"f{number}").mkdir()
    before = watches_in_use()
    with RustNotify([str(tmp_path)], False, False, 0, True, False):
        assert 31 <= watches_in_use() - before < 60


@linux
def test_the_lower_of_both_limits_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("a", "70\n"), ("b", "50\n")):
        (tmp_path / name).write_text(value)
    paths = [bytes(tmp_path / name) for name in ("a", "b", "missing")]
    monkeypatch.setattr(room, "_INOTIFY_LIMITS", tuple(paths))
    assert watch_limit() == 50
    monkeypatch.setattr(room, "_INOTIFY_LIMITS", (bytes(tmp_path / "missing"),))
    assert watch_limit() is None
