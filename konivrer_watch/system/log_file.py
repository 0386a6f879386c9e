"""One log on disk, kept below a size: ``name`` is written, ``name.1`` is the one before it, and so on."""

import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

from konivrer_watch.system.files import make_private

_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class RotatingLog:
    """Appends to the file at ``path``, which is replaced before it grows beyond ``max_bytes``; ``keep`` old ones stay.

    The numbering and renaming are the standard library's. Its writing is not used: it buffers, so that what a full
    disk refused would come out later in pieces.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._handler = RotatingFileHandler(path, maxBytes=max_bytes, backupCount=keep, delay=True)
        self._descriptor: int | None = None

    def append(self, lines: bytes) -> None:
        """Add whole lines, all of them in one write, so that other processes' lines stay whole too.

        Raises ``OSError``; a part may then have been written, and the next line begins on a line of its own.
        """
        try:
            descriptor = self._open()
            size = os.fstat(descriptor).st_size
            if size and size + len(lines) > self._max_bytes:
                self.close()
                self._handler.doRollover()
                descriptor = self._open()
            _write(descriptor, lines)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        """Return the file that is at ``path`` now: another may be there, or none, since the last line."""
        if self._descriptor is not None and not _is_at(self._path, self._descriptor):
            self.close()
        if self._descriptor is None:
            make_private(self._path.parent)
            self._descriptor = os.open(self._path, _APPEND, 0o600)
            _end_line(self._descriptor)
        return self._descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _end_line(descriptor: int) -> None:
    """End the line that a crash or a full disk has broken off, if one is."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        _write(descriptor, b"\n")


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
