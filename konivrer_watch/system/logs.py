"""The logs of a root's background service: what is put in never waits for a disk or a reader, and never raises."""

import functools
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec

from konivrer_watch.core.escape import escape
from konivrer_watch.core.model import LogFile
from konivrer_watch.system.log_file import RotatingLog
from konivrer_watch.system.record import now_text

# What waits for a slow disk; a text is at most 8 KB.
_BACKLOG = 1000
_LONGEST = 8192
_LAST_WORDS_SECONDS = 0.5
_RETRY_SECONDS = 10.0


class Severity(StrEnum):
    """How much a line asks of who reads it."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Echo(StrEnum):
    """What standard output gets of it: nothing, the lines as they are, or without their time for a journal.

    A journal takes the severity from the number before a line (sd-daemon(3)).
    """

    NONE = "none"
    STAMPED = "stamped"
    BARE = "bare"


_STDOUT = 1
_STAMP_BYTES = len("2026-01-01T00:00:00Z WARNING \n")
_CUT = " … (cut: too long)"
_JOURNAL = {Severity.INFO: "<6>", Severity.WARNING: "<4>", Severity.ERROR: "<3>"}


class _Entry(msgspec.Struct, frozen=True):
    """Escaped lines for one file. ``count`` is how many."""

    file: LogFile
    severity: Severity
    at: str
    lines: tuple[str, ...]

    def stamped(self) -> bytes:
        return "".join([f"{self.at} {self.severity} {line}\n" for line in self.lines]).encode()

    def bare(self) -> bytes:
        mark = _JOURNAL[self.severity]
        return "".join([f"{mark}{self.severity} {line}\n" for line in self.lines]).encode()


class Logs:
    """Writes the logs in ``folder``, each below ``max_bytes`` with ``keep`` old ones beside it, for its owner alone.

    What cannot be written, for want of room, of rights or of time, is counted; when lines can be written again, one of
    them says how many were lost.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep: int, echo: Echo = Echo.NONE) -> None:
        self._logs = {file: RotatingLog(folder / file, max_bytes, keep) for file in LogFile}
        self._faults: dict[LogFile, str | None] = dict.fromkeys(LogFile)
        self._lost = dict.fromkeys(LogFile, 0)
        self._lock = threading.Lock()
        self._writers = [_Writer(self._write, self._retry)]
        if echo is not Echo.NONE:
            # A thread of its own: a reader that has stopped must not keep lines from the disk.
            self._writers.append(_Writer(functools.partial(_echo, echo), lambda: False))

    def __enter__(self) -> Self:
        for writer in self._writers:
            writer.start()
        return self

    def __exit__(self, *error: object) -> None:
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        for writer in self._writers:
            writer.stop(deadline)

    @property
    def fault(self) -> str | None:
        """Why lines cannot be written now, in words; ``None`` where they can."""
        return next((f"{file} cannot be written: {why}" for file, why in self._faults.items() if why), None)

    def put_nowait(self, file: LogFile, severity: Severity, text: str) -> None:
        """Log each line of a text, stamped with the time of now. Beyond 8 KB it is cut, and says so."""
        entry = _Entry(file, severity, now_text(), _lines(text))
        to_disk, *others = self._writers
        if not to_disk.put_nowait(entry):
            self._lose(file, len(entry.lines))
        for echoer in others:
            echoer.put_nowait(entry)

    def _write(self, entry: _Entry) -> None:
        """Write to the file, first how much was lost before."""
        if not (self._tell_lost(entry.file) and self._append(entry)):
            self._lose(entry.file, len(entry.lines))

    def _retry(self) -> bool:
        """Tell what was lost where that can be written again; return whether something is still untold."""
        return not all([self._tell_lost(file) for file in LogFile])

    def _tell_lost(self, file: LogFile) -> bool:
        with self._lock:
            lost = self._lost[file]
        if not lost:
            return True
        why = self._faults[file] or "they came faster than they could be written"
        text = f"{lost:,} line{'' if lost == 1 else 's'} lost: {why}"
        told = self._append(_Entry(file, Severity.WARNING, now_text(), (text,)))
        if told:
            self._lose(file, -lost)
        return told

    def _append(self, entry: _Entry) -> bool:
        try:
            self._logs[entry.file].append(entry.stamped())
        except OSError as error:
            self._faults[entry.file] = error.strerror or str(error)
            return False
        self._faults[entry.file] = None
        return True

    def _lose(self, file: LogFile, lines: int) -> None:
        with self._lock:
            self._lost[file] += lines


class _Writer:
    """A thread that performs ``write`` for each entry in order.

    When idle for a while it performs ``rest``, and again as long as that returns true.
    """

    def __init__(self, write: Callable[[_Entry], None], rest: Callable[[], bool]) -> None:
        self._write = write
        self._rest = rest
        self._waiting: queue.Queue[_Entry | None] = queue.Queue(_BACKLOG)
        self._thread = threading.Thread(target=self._run, daemon=True, name="logs")

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Give what waits until ``deadline`` (monotonic clock), and leave the rest."""
        try:
            self._waiting.put(None, timeout=max(deadline - time.monotonic(), 0))
        except queue.Full:
            return
        self._thread.join(max(deadline - time.monotonic(), 0))

    def put_nowait(self, entry: _Entry) -> bool:
        """Return whether there was room."""
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        is_restless = False
        while True:
            try:
                entry = self._waiting.get(timeout=_RETRY_SECONDS if is_restless else None)
            except queue.Empty:
                is_restless = self._rest()
                continue
            if entry is None:
                return
            self._write(entry)
            is_restless = True


def _echo(echo: Echo, entry: _Entry) -> None:
    left = memoryview(entry.stamped() if echo is Echo.STAMPED else entry.bare())
    # A reader that went away misses nothing that the files do not have.
    with suppress(OSError):
        while left:
            left = left[os.write(_STDOUT, left) :]


def _lines(text: str) -> tuple[str, ...]:
    """Escape each line that is not empty; together with their stamps they stay below the limit."""
    lines: list[str] = []
    room = _LONGEST - len(_CUT.encode()) - _STAMP_BYTES
    for line in text[:_LONGEST].split("\n"):
        safe = escape(line).encode()
        room -= _STAMP_BYTES + len(safe)
        if room < 0:
            lines.append(safe[: max(len(safe) + room, 0)].decode(errors="ignore") + _CUT)
            break
        if safe:
            lines.append(safe.decode())
    return tuple(lines)
