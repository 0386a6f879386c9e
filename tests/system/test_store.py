"""The stores on real SQLite: what is put is found, by any thread and process, and no fault of theirs is fatal."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import (
    Edit,
    FileRecord,
    Finding,
    Fix,
    Level,
    Pass,
    Problem,
    ProblemKind,
    Safety,
    Signature,
    Verdict,
)
from konivrer_watch.system.store import RecordStore, VerdictStore

FIX = Fix(Safety.AUTO, "Remove it", (Edit(1, 1, 2, 1, ""),))
FINDING = Finding(1, 1, 1, 10, Pass.LINT, "F401", "unused-import", Level.WARNING, "`ä` \x1b unused", fix=FIX)
FULL = Verdict((FINDING,), 3, Problem(ProblemKind.UNPARSABLE, "line 1", "correct it"))
BIG = st.integers(0, 2**64 - 1)
TIMES = st.integers(-(2**62), 2**62)
RECORDS = st.dictionaries(
    st.binary(min_size=1, max_size=20),
    st.builds(
        FileRecord,
        st.builds(Signature, BIG, BIG, TIMES, TIMES, st.integers(0, 2**32)),
        st.binary(min_size=32, max_size=32),
        st.binary(max_size=20),
    ),
    max_size=8,
)


def key(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


def verdict(number: int) -> Verdict:
    return Verdict(suppressed=number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "verdicts.db"


@pytest.fixture
def store(path: Path) -> Iterator[VerdictStore]:
    with closing(VerdictStore(path)) as store:
        yield store


def test_what_was_put_is_found_again_now_and_by_the_next_run(path: Path) -> None:
    verdicts = {key(1): FULL, key(2): Verdict()}
    with closing(VerdictStore(path)) as store:
        store.put(verdicts)
        assert store.get([key(1), key(2), key(3)]) == verdicts
    with closing(VerdictStore(path)) as store:
        assert store.get([key(3), key(2), key(1)]) == verdicts
        assert store.fault is None


def test_more_keys_than_one_statement_takes_are_found(store: VerdictStore) -> None:
    verdicts = {key(number): verdict(number) for number in range(1, 1203)}
    store.put(verdicts)
    assert store.get(list(verdicts)) == verdicts
    assert store.get([]) == {}


def test_the_later_verdict_replaces_the_earlier(store: VerdictStore) -> None:
    store.put({key(1): verdict(1)})
    store.put({key(1): verdict(2)})
    assert store.get([key(1)]) == {key(1): verdict(2)}


@given(records=RECORDS, later=RECORDS, data=st.data())
def test_records_of_any_path_and_signature_survive_and_what_is_gone_does_not(
    tmp_path_factory: pytest.TempPathFactory,
    records: dict[bytes, FileRecord],
    later: dict[bytes, FileRecord],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("own") / "state.db"
    gone = data.draw(st.sets(st.sampled_from(sorted(records)))) if records else set()
    with closing(RecordStore(path, b"engines")) as store:
        store.save(records)
        store.save(later, gone)
        assert store.fault is None
    with closing(RecordStore(path, b"engines")) as store:
        assert store.load() == {each: record for each, record in records.items() if each not in gone} | later


def test_records_that_other_engines_made_count_for_nothing(path: Path) -> None:
    record = FileRecord(Signature(1, 2, 3, 4, 5), b"digest", b"words")
    with closing(RecordStore(path, b"old")) as old, closing(RecordStore(path, b"new")) as new:
        old.save({b"a.py": record, b"b.py": record})
        assert new.load() == {}
        assert old.load().keys() == {b"a.py", b"b.py"}
        new.save({b"b.py": record})
        assert new.load().keys() == {b"b.py"}
        # One that still runs takes the store back, and finds nothing of the other's.
        assert old.load() == {}
        old.save({b"c.py": record})
        assert old.load().keys() == {b"c.py"}
        assert new.load() == {}


def test_records_of_before_they_had_a_maker_are_forgotten(path: Path) -> None:
    record = FileRecord(Signature(1, 2, 3, 4, 5), b"digest", b"words")
    with closing(RecordStore(path, b"engines")) as store:
        store.save({b"a.py": record})
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DROP TABLE maker")
    with closing(RecordStore(path, b"engines")) as store:
        assert store.load() == {}
        store.save({b"b.py": record})
        assert (store.load(), store.fault) == ({b"b.py": record}, None)


def test_threads_share_one_store(store: VerdictStore) -> None:
    def work(lane: int) -> bool:
        mine = {key(1000 * lane + number): verdict(number) for number in range(30)}
        for each, value in mine.items():
            store.put({each: value})
        return store.get(list(mine)) == mine

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert store.fault is None


WRITE = """
import sys
from pathlib import Path
from konivrer_watch.core.model import Verdict
from konivrer_watch.system.store import VerdictStore
store = VerdictStore(Path(sys.argv[1]))
for number in range(100):
    mine = b"%s-%d" % (sys.argv[2].encode(), number)
    shared = b"shared-%d" % number
    store.put({mine: Verdict(suppressed=number), shared: Verdict(suppressed=number)})
    found = store.get([mine, shared])
    assert found == {mine: Verdict(suppressed=number), shared: Verdict(suppressed=number)}, (number, store.fault)
assert store.fault is None, store.fault
store.close()
"""


def test_processes_that_begin_the_same_new_store_together_lose_nothing(path: Path) -> None:
    command = [sys.executable, "-c", WRITE, str(path)]
    writers = [subprocess.Popen([*command, name], stderr=subprocess.PIPE) for name in ("a", "b", "c")]
    for writer in writers:
        _, complaint = writer.communicate(timeout=20)
        assert writer.returncode == 0, complaint.decode()
    with closing(VerdictStore(path)) as store:
        for name in (b"a", b"b", b"c", b"shared"):
            assert len(store.get([b"%s-%d" % (name, number) for number in range(100)])) == 100


def test_a_process_that_reads_marks_what_it_read_while_another_writes(path: Path) -> None:
    # A transaction that reads first and writes later fails where another wrote in between.
    with closing(VerdictStore(path)) as one, closing(VerdictStore(path)) as other:
        one.put({key(1): verdict(1)})
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE verdict SET used = 0")
        with ThreadPoolExecutor(2) as pool:
            writes = pool.map(lambda number: other.put({key(number): verdict(number)}), range(2, 60))
            reads = [pool.submit(one.get, [key(1)]) for _ in range(20)]
            assert all(read.result() == {key(1): verdict(1)} for read in reads)
            list(writes)
        assert one.fault is None
        assert other.fault is None


def test_a_lock_that_only_kept_a_verdict_from_being_marked_as_used_is_forgotten_with_the_next_answer(
    path: Path, store: VerdictStore
) -> None:
    store.put({key(1): verdict(1)})
    with closing(sqlite3.connect(path, isolation_level=None)) as stopped:
        stopped.execute("UPDATE verdict SET used = 0")
        stopped.execute("BEGIN IMMEDIATE")
        assert store.get([key(1)]) == {key(1): verdict(1)}
        assert "locked" in str(store.fault)
    assert store.get([key(2)]) == {}
    assert store.fault is None


def test_a_folder_made_for_a_store_is_the_owners_alone(path: Path, store: VerdictStore) -> None:
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert store.fault is None


def test_pruning_keeps_the_bound_and_what_was_used_last(path: Path) -> None:
    with closing(VerdictStore(path, limit_bytes=200_000)) as store:
        store.put({key(number): FULL for number in range(1500)})
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE verdict SET used = used - 9")
        used = [key(number) for number in range(0, 1500, 50)]
        assert len(store.get(used)) == len(used)
        assert store.prune() > 0
        assert len(store.get(used)) == len(used)
        assert store.prune() == 0
        with closing(sqlite3.connect(path)) as raw:
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            free = raw.execute("PRAGMA freelist_count").fetchone()[0]
        assert (pages - free) * 4096 <= 200_000


def test_a_store_that_is_never_closed_stays_within_its_bound_too(path: Path) -> None:
    with closing(VerdictStore(path, limit_bytes=200_000)) as store:
        for start in range(0, 20_000, 500):
            store.put({key(number): FULL for number in range(start, start + 500)})
        assert path.stat().st_size < 1_500_000
        assert store.get([key(19_999)]) == {key(19_999): FULL}
