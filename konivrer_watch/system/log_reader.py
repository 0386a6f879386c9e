"""Reads a log that another process writes and replaces: its last lines, and then what is added."""

import os
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path

_BLOCK = 1 << 16


class LogReader:
    """Reads the log at ``path`` and the older ones beside it, ``path.1`` being the youngest of those.

    The lines are whole ones, without their ends. A file that is missing or cannot be read has none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._place = 0
        self._broken = b""

    def last(self, number: int) -> list[bytes]:
        """Return the last lines, from the older files too where need be; ``more`` goes on behind them."""
        self.close()
        lines: list[bytes] = []
        for path in self._generations():
            descriptor = _open(path)
            if descriptor is None:
                continue
            size = os.fstat(descriptor).st_size
            *before, broken = _tail(descriptor, size, number - len(lines))
            if self._descriptor is None:
                self._descriptor, self._place, self._broken = descriptor, size, broken
            else:
                os.close(descriptor)
                before += [broken] if broken else []
            lines = [*before, *lines]
            if len(lines) >= number:
                return lines[-number:] if number else []
        return lines

    def more(self) -> list[bytes]:
        """Return what was added since, through all files that took its place, or from the start where it was cut."""
        lines = self._read()
        for descriptor in self._successors():
            # What was added between the last look and its replacement.
            lines += self._read()
            lines += [self._broken] if self._broken else []
            self.close()
            self._descriptor = descriptor
            lines += self._read()
        return lines

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._place, self._broken = None, 0, b""

    def _read(self) -> list[bytes]:
        if self._descriptor is None:
            return []
        if os.fstat(self._descriptor).st_size < self._place:
            self._place, self._broken = 0, b""
        parts = [self._broken]
        while part := os.pread(self._descriptor, _BLOCK, self._place):
            self._place += len(part)
            parts.append(part)
        *lines, self._broken = b"".join(parts).split(b"\n")
        return lines

    def _successors(self) -> list[int]:
        """Open the files that were begun after the one that is read, and return them oldest first.

        They are opened youngest first: a file that gets an older name meanwhile is met twice, and none is missed.
        """
        younger: list[int] = []
        is_met = self._descriptor is None
        for path in self._generations():
            descriptor = _open(path)
            if descriptor is None:
                continue
            is_met = is_met or _are_same(descriptor, self._descriptor)
            if is_met and self._descriptor is not None:
                os.close(descriptor)
                break
            if younger and _are_same(descriptor, younger[-1]):
                os.close(descriptor)
                continue
            younger.append(descriptor)
        if not is_met:
            # It is gone altogether. Those beside the present one may be older than it was.
            while len(younger) > 1:
                os.close(younger.pop())
        return younger[::-1]

    def _generations(self) -> Iterator[Path]:
        """Return the present file and all older ones, youngest first; one may be missing while they get new names."""
        missing = 0
        for index in count():
            path = self._path.with_name(f"{self._path.name}.{index}") if index else self._path
            missing = 0 if os.path.lexists(path) else missing + 1
            if missing > 1:
                return
            yield path


def _are_same(one: int, other: int | None) -> bool:
    return other is not None and os.path.samestat(os.fstat(one), os.fstat(other))


def _open(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _tail(descriptor: int, end: int, number: int) -> list[bytes]:
    """Return at most ``number`` last lines before ``end``, and last what follows the last line's end."""
    data = b""
    while end > 0 and data.count(b"\n") <= number:
        begin = max(end - _BLOCK, 0)
        data = os.pread(descriptor, end - begin, begin) + data
        end = begin
    lines = data.split(b"\n")
    return lines[-number - 1 :]
