"""The only file that knows SQLite: verdicts by key, and what was last seen of each root's files.

Both databases are caches. One that is corrupt is set aside and begun anew; one that cannot be written is no
reason to stop: ``fault`` says why, and everything is judged afresh.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from konivrer_watch.core.model import FileRecord, Signature, Verdict

_CHUNK = 500
_Result = TypeVar("_Result")
_DAY_SECONDS = 86_400
_VERDICTS = """
CREATE TABLE IF NOT EXISTS verdict (key BLOB PRIMARY KEY, body BLOB NOT NULL, used INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS verdict_used ON verdict (used);
"""
_RECORDS = """
CREATE TABLE IF NOT EXISTS file (
  path BLOB PRIMARY KEY, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, mode INTEGER,
  digest BLOB NOT NULL, words BLOB NOT NULL
);
"""
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Verdict).decode
_EMPTY = _ENCODE(Verdict())


class _Database:
    """One SQLite file, used by any thread, one at a time."""

    def __init__(self, path: Path, schema: str) -> None:
        self.fault: str | None = None
        self._path = path
        self._schema = schema
        self._lock = threading.Lock()
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._connect(str(self._path))
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                return self._in_memory(error)
            return self._rebuild(error)
        except OSError as error:
            return self._in_memory(error)

    def _connect(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(name, timeout=5, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        # WAL with NORMAL survives a crash of the program; a power cut may lose the last verdicts, which are a cache.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(self._schema)
        return connection

    def _rebuild(self, error: Exception) -> sqlite3.Connection:
        aside = self._path.with_suffix(".corrupt")
        try:
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            connection = self._connect(str(self._path))
        except (OSError, sqlite3.Error) as second:
            return self._in_memory(second)
        self.fault = f"{self._path} was corrupt ({error}); it was set aside as {aside.name} and begun anew"
        return connection

    def _in_memory(self, error: Exception) -> sqlite3.Connection:
        self.fault = f"{self._path} cannot be used ({error}); nothing is remembered beyond this run"
        return self._connect(":memory:")

    def run(self, act: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """Run ``act`` in one transaction; on a fault of the database, say so in ``fault`` and return ``otherwise``."""
        with self._lock:
            try:
                self._connection.execute("BEGIN")
                try:
                    result = act(self._connection)
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self.fault = f"{self._path}: {error}; what it should hold is judged afresh"
                return otherwise
            except sqlite3.DatabaseError as error:
                self._connection.close()
                self._connection = self._rebuild(error)
                return otherwise
            return result

    def close(self) -> None:
        """Write back and close."""
        with self._lock:
            self._connection.close()


class VerdictStore:
    """Verdicts by key, shared by all roots and bounded in size."""

    def __init__(self, path: Path, limit_bytes: int = 256 << 20) -> None:
        self._limit = limit_bytes
        self._database = _Database(path, _VERDICTS)

    @property
    def fault(self) -> str | None:
        """What is wrong with the store, in words; ``None`` when all is well."""
        return self._database.fault

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Return the verdicts that are known among ``keys``, and mark them as used today."""
        today = int(time.time()) // _DAY_SECONDS

        def read(connection: sqlite3.Connection) -> dict[bytes, Verdict]:
            found: dict[bytes, Verdict] = {}
            stale: list[bytes] = []
            empty = Verdict()
            for chunk in _chunks(keys):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT key, body, used FROM verdict WHERE key IN ({marks})"
                for key, body, used in connection.execute(query, chunk):
                    found[key] = empty if body == _EMPTY else _DECODE(body)
                    if used != today:
                        stale.append(key)
            connection.executemany(
                "UPDATE verdict SET used = ? WHERE key = ?", [(today, key) for key in stale]
            )
            return found

        return self._database.run(read, {})

    def put(self, verdicts: Mapping[bytes, Verdict]) -> None:
        """Keep these verdicts."""
        today = int(time.time()) // _DAY_SECONDS
        rows = [(key, _ENCODE(verdict), today) for key, verdict in verdicts.items()]
        self._database.run(
            lambda connection: connection.executemany(
                "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)", rows
            ),
            None,
        )

    def prune(self) -> int:
        """Drop the verdicts used longest ago until the store is within its bound; return how many went."""

        def act(connection: sqlite3.Connection) -> int:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
            size = connection.execute("PRAGMA page_size").fetchone()[0] * (pages - free)
            if size <= self._limit:
                return 0
            total = connection.execute("SELECT count(*) FROM verdict").fetchone()[0]
            # A fifth below the bound, so that the next save does not prune again.
            surplus = total - int(total * 0.8 * self._limit / size)
            return connection.execute(
                "DELETE FROM verdict WHERE key IN (SELECT key FROM verdict ORDER BY used LIMIT ?)", (surplus,)
            ).rowcount

        return self._database.run(act, 0)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class RecordStore:
    """What was last read of each file of one root, so that an unchanged file is not read again."""

    def __init__(self, path: Path) -> None:
        self._database = _Database(path, _RECORDS)

    @property
    def fault(self) -> str | None:
        """What is wrong with the store, in words; ``None`` when all is well."""
        return self._database.fault

    def load(self) -> dict[bytes, FileRecord]:
        """Return every record."""

        def read(connection: sqlite3.Connection) -> dict[bytes, FileRecord]:
            return {
                row[0]: FileRecord(Signature(*row[1:6]), row[6], row[7])
                for row in connection.execute("SELECT * FROM file")
            }

        return self._database.run(read, {})

    def save(self, records: Mapping[bytes, FileRecord], gone: Iterable[bytes] = ()) -> None:
        """Keep these records and forget those of ``gone``."""
        rows = [
            (path, at.inode, at.size, at.mtime_ns, at.ctime_ns, at.mode, record.digest, record.words)
            for path, record in records.items()
            for at in (record.signature,)
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM file WHERE path = ?", [(path,) for path in gone])
            connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

        self._database.run(write, None)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _chunks(keys: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))
