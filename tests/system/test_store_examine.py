"""A store that is examined is whole afterwards, whatever it was, and what was wrong is told once."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from konivrer_watch.core.fingerprint import verdict_key
from konivrer_watch.core.model import Pass, Verdict
from konivrer_watch.system import database
from konivrer_watch.system.store import VerdictStore

PATIENCE = 20.0


def key(pass_: Pass, number: int) -> bytes:
    return verdict_key(pass_, b"engine", b"", b"%d" % number, False, b"", b"")


def fill(store: VerdictStore, count: int = 3000) -> None:
    store.put({key(Pass.LINT, number): Verdict(suppressed=number) for number in range(count)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state # 100%?" / "verdicts.db"


@pytest.fixture
def store(path: Path) -> Iterator[VerdictStore]:
    store = VerdictStore(path)
    fill(store)
    yield store
    store.close()


def works(store: VerdictStore) -> bool:
    store.put({key(Pass.LINT, 1): Verdict(suppressed=7)})
    return store.get([key(Pass.LINT, 1)]) == {key(Pass.LINT, 1): Verdict(suppressed=7)}


def spoil(path: Path, start: int, length: int = 40_000) -> None:
    """Overwrite a part of the file itself, as a disk that fails does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)


def test_a_store_that_is_well_keeps_all_it_has(store: VerdictStore) -> None:
    assert store.examine(PATIENCE) is None
    assert store.failing is None
    assert len(store.get([key(Pass.LINT, number) for number in range(3000)])) == 3000


@pytest.mark.parametrize("start", [0, 4096, 40_960])
def test_a_corrupt_store_is_set_aside_told_once_and_works(
    store: VerdictStore, path: Path, start: int
) -> None:
    spoil(path, start)
    told = store.examine(PATIENCE)
    assert told is not None and "set aside as verdicts.db.aside" in told
    assert (store.examine(PATIENCE), store.failing, store.fault) == (None, None, None)
    assert works(store)
    assert path.with_name("verdicts.db.aside").exists()


@pytest.mark.parametrize("replaced", [True, False])
def test_a_store_that_went_or_was_replaced_is_opened_anew(
    store: VerdictStore, path: Path, replaced: bool
) -> None:
    path.unlink()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    if replaced:
        other = VerdictStore(path)
        other.put({key(Pass.LINT, 5): Verdict(suppressed=500)})
        other.close()
    told = store.examine(PATIENCE)
    assert told is not None and "removed or replaced" in told
    assert path.exists()
    assert len(store.get([key(Pass.LINT, 5)])) == replaced
    assert works(store)


def test_what_was_wrong_when_the_store_was_opened_is_told_too(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    store = VerdictStore(path)
    told = store.examine(PATIENCE)
    assert told is not None and "set aside" in told
    assert store.fault is None
    store.close()


def test_a_store_that_cannot_be_used_is_tried_again_at_once(path: Path) -> None:
    path.mkdir(parents=True)
    store = VerdictStore(path)
    assert store.failing is not None
    assert store.examine(PATIENCE) is None
    assert store.failing is not None
    path.rmdir()
    assert store.examine(PATIENCE) is None
    assert works(store)
    assert store.fault is None
    store.close()


def test_a_closed_store_stays_closed(path: Path) -> None:
    store = VerdictStore(path)
    store.close()
    assert store.examine(PATIENCE) is None
    assert not works(store)


def test_who_writes_meanwhile_does_not_wait_and_loses_nothing(store: VerdictStore) -> None:
    done = threading.Event()

    def examine() -> None:
        while not done.is_set():
            assert store.examine(PATIENCE) is None

    thread = threading.Thread(target=examine)
    thread.start()
    try:
        for number in range(100):
            store.put({key(Pass.OPTIMIZE, number): Verdict(suppressed=number)})
            assert store.fault is None
    finally:
        done.set()
        thread.join()
    assert len(store.get([key(Pass.OPTIMIZE, number) for number in range(100)])) == 100


def test_an_examination_without_time_says_nothing_and_harms_nothing(
    store: VerdictStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_CHECK_STEPS", 1)
    spoil(path, 40_960)
    assert store.examine(-1.0) is None
    assert not path.with_name("verdicts.db.aside").exists()


def test_one_engines_part_is_emptied_and_that_of_others_stays(store: VerdictStore) -> None:
    others = [key(pass_, number) for pass_ in (Pass.OPTIMIZE, Pass.SECURITY) for number in range(50)]
    store.put({each: Verdict() for each in others})
    assert store.empty(Pass.LINT) == 3000
    assert store.get([key(Pass.LINT, number) for number in range(3000)]) == {}
    assert len(store.get(others)) == 100
    assert store.empty(Pass.SECURITY) == 50
    store.forget(others[:10])
    assert len(store.get(others)) == 40


def test_an_examination_opens_no_file_for_good(store: VerdictStore) -> None:
    # SQLite keeps one descriptor for later: closing it would drop the locks of the other connection.
    store.examine(PATIENCE)
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        store.examine(PATIENCE)
    assert len(os.listdir("/dev/fd")) == before
