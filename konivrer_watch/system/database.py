"""One SQLite file that is a cache, and the faults it may have.

A file that is corrupt, or of another version, is set aside and begun anew. One that cannot be used is no reason to
stop: ``fault`` says why, and it is tried again a minute later.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from konivrer_watch.system.files import make_private

Connection = sqlite3.Connection
_Result = TypeVar("_Result")
# Writers hold the lock for milliseconds. Who waits longer waits for a stopped process, and the end of the program
# must not wait with it.
_BUSY_SECONDS = 0.5
_RETRY_SECONDS = 60.0
# Of SQLite's virtual machine, between two looks at the clock: a millisecond or so.
_CHECK_STEPS = 10_000
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class _UnusableError(Exception):
    """The file is no database of ours."""


class Database:
    """One SQLite file, used by any thread, one at a time.

    ``version`` is raised with every change of a table or of what is encoded in one; ``schema`` makes the tables.
    """

    def __init__(self, path: Path, version: int, schema: Sequence[str]) -> None:
        self._path = path
        self._schema = schema
        self._version = version
        self._lock = threading.Lock()
        self._set_aside: str | None = None
        self._failing: str | None = None
        self._unwritten: str | None = None
        self._file: tuple[int, int] | None = None
        self._retry_at = 0.0
        self._connection = self._open()

    @property
    def fault(self) -> str | None:
        """What fails now, else what was wrong when the file was opened."""
        return self._failing or self._unwritten or self._set_aside

    @property
    def failing(self) -> str | None:
        """What fails now."""
        return self._failing or self._unwritten

    def examine(self, patience: float) -> str | None:
        """Have SQLite check the file for ``patience`` seconds, by a connection of its own: nobody else waits for it.

        Return what was wrong and is mended, since the last time included: the file was set aside, or replaced by
        others, and is begun or opened anew. What cannot be mended is in ``failing``.
        """
        complaint = self._complaint(time.monotonic() + patience)
        with self._lock:
            if self._retry_at == float("inf"):
                return None
            lost = self._connection is not None and _identity(self._path) != self._file
            if lost or complaint is not None or self._connection is None:
                self._disconnect()
                self._connection = self._open(complaint)
            told, self._set_aside = self._set_aside, None
        return f"{self._path} was removed or replaced by others; it was opened anew" if lost else told

    def _complaint(self, deadline: float) -> sqlite3.Error | None:
        """Return what SQLite finds wrong with the file; nothing where it cannot say, or not in time."""
        try:
            connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
            try:
                connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_STEPS)
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            return error if _is_corrupt(error) else None
        return None if answer == "ok" else sqlite3.DatabaseError(" ".join(answer.split()))

    def read(self, act: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """Run ``act``; on a fault of the database, return ``otherwise``, and keep it in ``fault`` until a success."""
        with self._lock:
            return self._run(act, otherwise)

    def mark(self, act: Callable[[sqlite3.Connection], object]) -> None:
        """Run ``act`` in one transaction whose loss costs nothing; on a fault as ``read``."""
        with self._lock:
            self._run(_transacted(act), None)

    def write(self, act: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """Run ``act`` in one transaction, wholly or not at all; on a fault as ``read``, until a write succeeds."""
        with self._lock:
            return self._run(_transacted(act), otherwise, is_write=True)

    def close(self) -> None:
        """Write back and close; what is asked of it later finds nothing."""
        with self._lock:
            self._retry_at = float("inf")
            self._disconnect()

    def _run(
        self, act: Callable[[sqlite3.Connection], _Result], otherwise: _Result, *, is_write: bool = False
    ) -> _Result:
        if self._connection is None and time.monotonic() >= self._retry_at:
            self._connection = self._open()
        if self._connection is None:
            return otherwise
        try:
            result = act(self._connection)
        except sqlite3.Error as error:
            if _is_corrupt(error):
                self._disconnect()
                self._connection = self._open(error)
            else:
                told = f"{self._path}: {error}; what could not be kept or found is judged afresh"
                if is_write:
                    self._unwritten = told
                else:
                    self._failing = told
            return otherwise
        self._failing = None
        if is_write:
            self._unwritten = None
        return result

    def _open(self, corrupt: sqlite3.Error | None = None) -> sqlite3.Connection | None:
        """Open the file, set aside before where it is ``corrupt`` or turns out to be."""
        try:
            make_private(self._path.parent)
            if corrupt is not None:
                self._put_aside(f"is corrupt ({corrupt})")
            try:
                connection = self._connect()
            except _UnusableError as error:
                self._put_aside(str(error))
                connection = self._connect()
        except (OSError, sqlite3.Error, _UnusableError) as error:
            self._failing = (
                f"{self._path} cannot be used ({error}); nothing is remembered; it is tried again in a minute"
            )
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return None
        self._failing = None
        return connection

    def _connect(self) -> sqlite3.Connection:
        # SQLite alone would let everybody read what it makes; its -wal and -shm take after this file.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._file = _identity(self._path)
            # WAL with NORMAL survives a crash of the program; a power cut may lose the last verdicts.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA journal_size_limit={4 << 20}")
            if number(connection, "PRAGMA user_version") != self._version:
                with _transaction(connection):
                    self._create(connection)
        except sqlite3.Error as error:
            connection.close()
            if _is_corrupt(error):
                raise _UnusableError(f"is corrupt ({error})") from error
            raise
        except _UnusableError:
            connection.close()
            raise
        return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        version = number(connection, "PRAGMA user_version")
        if version == self._version:
            # Another process was faster.
            return
        if version or number(connection, "SELECT count(*) FROM sqlite_master"):
            raise _UnusableError("was written by another version of konivrer-watch")
        for statement in self._schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={self._version}")

    def _put_aside(self, reason: str) -> None:
        """Rename the file, unless another process did so already and what is there now is its new one."""
        if _identity(self._path) != self._file:
            return
        aside = self._path.with_name(f"{self._path.name}.aside")
        os.replace(self._path, aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._set_aside = f"{self._path} {reason}; it was set aside as {aside.name} and begun anew"

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def _transacted(act: Callable[[sqlite3.Connection], _Result]) -> Callable[[sqlite3.Connection], _Result]:
    def transact(connection: sqlite3.Connection) -> _Result:
        with _transaction(connection):
            return act(connection)

    return transact


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE: one that reads first and writes later fails at once where another process wrote in between.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def number(connection: sqlite3.Connection, query: str) -> int:
    """Return the one number that the query asks for."""
    return int(connection.execute(query).fetchone()[0])


def _is_corrupt(error: sqlite3.Error) -> bool:
    # The lower byte is the primary code. Faults of this program's own making carry none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
