"""Faults of a store's file: each costs answers, is said, and is neither fatal nor for ever."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from konivrer_watch.system.store import RecordStore, VerdictStore
from tests.system.test_store import FULL, key, verdict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "verdicts.db"


@pytest.fixture
def store(path: Path) -> Iterator[VerdictStore]:
    with closing(VerdictStore(path)) as store:
        yield store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_lock_that_another_process_keeps_is_waited_for_less_than_a_second_and_said(
    path: Path, store: VerdictStore
) -> None:
    store.put({key(1): verdict(1)})
    with closing(sqlite3.connect(path, isolation_level=None)) as stopped:
        stopped.execute("BEGIN IMMEDIATE")
        store.put({key(2): verdict(2)})
        assert "locked" in str(store.fault)
        # What was not kept is not mended by what is found.
        assert store.get([key(1), key(2)]) == {key(1): verdict(1)}
        assert "locked" in str(store.fault)
    store.put({key(2): verdict(2)})
    assert store.fault is None
    assert store.get([key(2)]) == {key(2): verdict(2)}


@pytest.mark.parametrize("garbage", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_set_aside_and_said(path: Path, garbage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage)
    with closing(VerdictStore(path)) as store:
        assert "is corrupt" in str(store.fault)
        assert "set aside as verdicts.db.aside" in str(store.fault)
        store.put({key(1): FULL})
        assert store.get([key(1)]) == {key(1): FULL}
    assert (path.parent / "verdicts.db.aside").read_bytes() == garbage


def fill(path: Path, count: int = 2000) -> None:
    with closing(VerdictStore(path)) as store:
        store.put({key(number): FULL for number in range(count)})


@pytest.mark.parametrize("size", [100, 4096, 50_000])
def test_a_file_that_was_cut_off_is_set_aside_when_that_shows_and_then_serves_again(
    path: Path, size: int
) -> None:
    fill(path)
    os.truncate(path, size)
    with closing(VerdictStore(path)) as store:
        for _ in range(3):
            store.put({key(number): verdict(number) for number in range(2000)})
        assert store.get([key(number) for number in range(2000)]) == {
            key(number): verdict(number) for number in range(2000)
        }
        assert "set aside" in str(store.fault)


def test_a_file_that_is_damaged_while_it_is_open_costs_one_answer(path: Path) -> None:
    fill(path)
    with closing(VerdictStore(path)) as store, open(path, "r+b") as file:
        for page in range(1, os.path.getsize(path) // 4096):
            file.seek(4096 * page)
            file.write(b"\xff" * 100)
        file.flush()
        keys = [key(number) for number in range(2000)]
        assert store.get(keys) == {}
        assert "set aside" in str(store.fault)
        store.put({key(1): FULL})
        assert store.get(keys) == {key(1): FULL}


def test_of_two_processes_that_find_the_file_corrupt_only_the_first_sets_it_aside(path: Path) -> None:
    fill(path)
    with closing(VerdictStore(path)) as one, closing(VerdictStore(path)) as other:
        with open(path, "r+b") as file:
            for page in range(1, os.path.getsize(path) // 4096):
                file.seek(4096 * page)
                file.write(b"\xff" * 100)
        keys = [key(number) for number in range(2000)]
        assert one.get(keys) == {}
        one.put({key(1): FULL})
        assert other.get(keys) == {}
        assert other.get(keys) == {key(1): FULL}


@pytest.mark.parametrize("version", [2, 999, -1])
def test_a_store_of_another_version_is_set_aside_whole(path: Path, version: int) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"PRAGMA user_version={version}")
    with closing(VerdictStore(path)) as store:
        assert "another version" in str(store.fault)
        assert store.get([key(0)]) == {}
        store.put({key(0): FULL})
    with closing(sqlite3.connect(path.parent / "verdicts.db.aside")) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (version,)
        assert raw.execute("SELECT count(*) FROM verdict").fetchone() == (1,)
    with closing(VerdictStore(path)) as store:
        assert store.fault is None


def test_a_schema_from_before_versions_were_kept_is_set_aside(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE verdict (key BLOB)")
    with closing(VerdictStore(path)) as store:
        assert "another version" in str(store.fault)
        store.put({key(0): FULL})
        assert store.get([key(0)]) == {key(0): FULL}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"\x93\x01",
        b"\x81\xa8findings\x01",
        msgspec.msgpack.encode(FULL).replace(b"line 1", b"\xff\xfe\xff\xfe\xff\xfe"),
    ],
)
def test_a_row_that_cannot_be_read_is_as_good_as_none(path: Path, store: VerdictStore, body: bytes) -> None:
    store.put({key(1): FULL, key(2): FULL})
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE verdict SET body = ? WHERE key = ?", (body, key(1)))
    assert store.get([key(1), key(2)]) == {key(2): FULL}
    store.put({key(1): FULL})
    assert store.get([key(1)]) == {key(1): FULL}


def test_a_path_that_is_a_folder_is_no_store_and_no_reason_to_stop(tmp_path: Path) -> None:
    with closing(VerdictStore(tmp_path)) as store:
        store.put({key(1): FULL})
        assert store.get([key(1)]) == {}
        assert f"{tmp_path} cannot be used" in str(store.fault)
    with closing(RecordStore(tmp_path, b"engines")) as records:
        assert records.load() == {}


def test_a_store_that_could_not_be_opened_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the folder should be")
    with closing(VerdictStore(blocked / "verdicts.db")) as store:
        blocked.unlink()
        store.put({key(1): FULL})
        assert store.get([key(1)]) == {}
        monkeypatch.setattr("time.monotonic", lambda: 1e9)
        store.put({key(1): FULL})
        assert store.get([key(1)]) == {key(1): FULL}
        assert store.fault is None


def test_a_closed_store_knows_nothing_and_harms_nothing(path: Path) -> None:
    store = VerdictStore(path)
    store.put({key(1): FULL})
    store.close()
    store.put({key(2): FULL})
    assert store.get([key(1)]) == {}
    store.close()
    with closing(VerdictStore(path)) as again:
        assert again.get([key(1), key(2)]) == {key(1): FULL}
        assert again.fault is None


def test_a_disk_that_is_full_is_said_and_what_is_known_is_still_found(small_disk: Path) -> None:
    with closing(VerdictStore(small_disk / "verdicts.db")) as store:
        store.put({key(1): FULL})
        rest = small_disk / "rest"
        with open(rest, "wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        for start in range(100, 3000, 100):
            store.put({key(number): FULL for number in range(start, start + 100)})
        assert "full" in str(store.fault)
        assert store.get([key(1)]) == {key(1): FULL}
        rest.unlink()
        store.put({key(2): FULL})
        assert store.get([key(2)]) == {key(2): FULL}
        assert store.fault is None


def test_a_store_begun_on_a_full_disk_is_said_and_no_reason_to_stop(small_disk: Path) -> None:
    with open(small_disk / "rest", "wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with closing(VerdictStore(small_disk / "verdicts.db")) as store:
        store.put({key(1): FULL})
        assert store.get([key(1)]) == {}
        assert "cannot be used" in str(store.fault)


def test_a_disk_that_may_only_be_read_is_said_and_no_reason_to_stop(small_disk: Path) -> None:
    with closing(VerdictStore(small_disk / "verdicts.db")) as store:
        store.put({key(1): FULL})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("verdicts.db", "new.db"):
        with closing(VerdictStore(small_disk / name)) as store:
            store.put({key(2): FULL})
            assert key(2) not in store.get([key(1), key(2)])
            assert store.fault is not None
            assert name in store.fault


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_said_and_no_reason_to_stop(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with closing(VerdictStore(tmp_path / "verdicts.db")) as store:
        store.put({key(1): FULL})
        assert store.get([key(1)]) == {}
        assert "cannot be used" in str(store.fault)
