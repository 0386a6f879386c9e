"""Verdicts by key, and what was last seen of each root's files: two caches that may be lost at any time.

The tables and their statements; SQLite itself is met in ``database``. ``fault`` says what is wrong; then everything
is judged afresh.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from konivrer_watch.core.fingerprint import key_mark
from konivrer_watch.core.model import FileRecord, Pass, Verdict
from konivrer_watch.system.database import Connection, Database, number

# Raised with every change of a table or of what is encoded in one.
_VERSION = 1
_CHUNK = 500
_DAY_SECONDS = 86_400
_PRUNE_EVERY = 2_000
_VERDICTS = (
    "CREATE TABLE verdict (key BLOB PRIMARY KEY, body BLOB NOT NULL, used INTEGER NOT NULL)",
    "CREATE INDEX verdict_used ON verdict (used)",
)
_RECORDS = ("CREATE TABLE file (path BLOB PRIMARY KEY, record BLOB NOT NULL)",)
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE_VERDICT = msgspec.msgpack.Decoder(Verdict).decode
_DECODE_RECORD = msgspec.msgpack.Decoder(FileRecord).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
_EMPTY = Verdict()
_EMPTY_BODY = _ENCODE(_EMPTY)


class VerdictStore:
    """Verdicts by key, shared by all roots and bounded in size."""

    def __init__(self, path: Path, limit_bytes: int = 256 << 20) -> None:
        self._limit = limit_bytes
        self._database = Database(path, _VERSION, _VERDICTS)
        self._unpruned = 0

    @property
    def fault(self) -> str | None:
        """What is wrong with the store, in words; ``None`` when all is well."""
        return self._database.fault

    @property
    def failing(self) -> str | None:
        """What fails now, and not what was and is mended."""
        return self._database.failing

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Return the verdicts that are known among ``keys``, and mark them as used today."""
        today = _today()
        found: dict[bytes, Verdict] = {}
        stale: list[tuple[int, bytes]] = []
        nothing: list[tuple[bytes, bytes, int]] = []
        for key, body, used in self._database.read(lambda connection: _select(connection, keys), nothing):
            # A body that cannot be read is as good as none: the next put replaces it.
            with suppress(*_UNREADABLE):
                found[key] = _EMPTY if body == _EMPTY_BODY else _DECODE_VERDICT(body)
                if used != today:
                    stale.append((today, key))
        if stale:
            mark = "UPDATE verdict SET used = ? WHERE key = ?"
            self._database.mark(lambda connection: connection.executemany(mark, stale))
        return found

    def put(self, verdicts: Mapping[bytes, Verdict]) -> None:
        """Keep these verdicts."""
        today = _today()
        rows = [(key, _ENCODE(verdict), today) for key, verdict in verdicts.items()]
        insert = "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)"
        self._database.write(lambda connection: connection.executemany(insert, rows), None)
        self._unpruned += len(rows)
        if self._unpruned >= _PRUNE_EVERY:
            self.prune()

    def forget(self, keys: Iterable[bytes]) -> None:
        """Drop these verdicts."""
        rows = [(key,) for key in keys]
        self._database.write(
            lambda connection: connection.executemany("DELETE FROM verdict WHERE key = ?", rows), None
        )

    def empty(self, pass_: Pass) -> int:
        """Drop all that one pass said, of every root; return how many verdicts went."""
        mark = key_mark(pass_)
        delete = "DELETE FROM verdict WHERE key >= ? AND key < ?"
        bounds = (mark, bytes([mark[0] + 1]))
        return self._database.write(lambda connection: connection.execute(delete, bounds).rowcount, 0)

    def examine(self, patience: float) -> str | None:
        """As ``Database.examine``."""
        return self._database.examine(patience)

    def prune(self) -> int:
        """Drop the verdicts used longest ago until the store is within its bound; return how many went."""
        self._unpruned = 0
        return self._database.write(self._prune, 0)

    def _prune(self, connection: Connection) -> int:
        pages = number(connection, "PRAGMA page_count") - number(connection, "PRAGMA freelist_count")
        size = pages * number(connection, "PRAGMA page_size")
        if size <= self._limit:
            return 0
        total = number(connection, "SELECT count(*) FROM verdict")
        # A fifth below the bound, so that the next save does not prune again.
        surplus = total - int(total * 0.8 * self._limit / size)
        return connection.execute(
            "DELETE FROM verdict WHERE key IN (SELECT key FROM verdict ORDER BY used LIMIT ?)", (surplus,)
        ).rowcount

    def close(self) -> None:
        """Close the database. A store that is closed knows nothing and keeps nothing."""
        self._database.close()


class RecordStore:
    """What was last read of each file of one root, so that an unchanged file is not read again.

    ``engines`` identifies what makes records of files: those that another one made count for nothing.
    """

    def __init__(self, path: Path, engines: bytes) -> None:
        self._database = Database(path, _VERSION, _RECORDS)
        self._engines = engines

    @property
    def fault(self) -> str | None:
        """What is wrong with the store, in words; ``None`` when all is well."""
        return self._database.fault

    @property
    def failing(self) -> str | None:
        """What fails now, and not what was and is mended."""
        return self._database.failing

    def load(self) -> dict[bytes, FileRecord]:
        """Return every record."""
        records: dict[bytes, FileRecord] = {}
        nothing: list[tuple[bytes, bytes]] = []
        for path, record in self._database.read(self._select, nothing):
            with suppress(*_UNREADABLE):
                records[path] = _DECODE_RECORD(record)
        return records

    def save(self, records: Mapping[bytes, FileRecord], gone: Iterable[bytes] = ()) -> None:
        """Keep these records and forget those of ``gone``."""
        rows = [(path, _ENCODE(record)) for path, record in records.items()]
        lost = [(path,) for path in gone]

        def act(connection: Connection) -> None:
            if not _has_maker(connection):
                connection.execute("CREATE TABLE maker (engines BLOB NOT NULL)")
            if connection.execute("SELECT engines FROM maker").fetchone() != (self._engines,):
                connection.execute("DELETE FROM file")
                connection.execute("DELETE FROM maker")
                connection.execute("INSERT INTO maker VALUES (?)", (self._engines,))
            connection.executemany("DELETE FROM file WHERE path = ?", lost)
            connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?)", rows)

        self._database.write(act, None)

    def examine(self, patience: float) -> str | None:
        """As ``Database.examine``. What was kept is then to be kept anew."""
        return self._database.examine(patience)

    def _select(self, connection: Connection) -> list[tuple[bytes, bytes]]:
        if not _has_maker(connection):
            return []
        # In one statement: another program may take the store over at any time.
        query = "SELECT path, record FROM file WHERE (SELECT engines FROM maker) = ?"
        return connection.execute(query, (self._engines,)).fetchall()

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _select(connection: Connection, keys: Sequence[bytes]) -> list[tuple[bytes, bytes, int]]:
    rows: list[tuple[bytes, bytes, int]] = []
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        rows += connection.execute(f"SELECT key, body, used FROM verdict WHERE key IN ({marks})", chunk)
    return rows


def _has_maker(connection: Connection) -> bool:
    # Stores of before records had a maker have no such table.
    return bool(number(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'maker'"))


def _today() -> int:
    return int(time.time()) // _DAY_SECONDS
