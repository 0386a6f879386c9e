"""Reading the user's files. Nothing is read through a link that leaves the root."""

import os
import stat
from hashlib import sha256

import msgspec

from konivrer_watch.core.model import Signature


class FileBytes(msgspec.Struct, frozen=True):
    """A file's whole content with the signature it had while it was read.

    ``settled`` is whether the last change was long enough ago for an equal signature to mean equal bytes: file
    systems stamp times in ticks of up to 2 s, so that a second write in the same tick goes unseen (git's "racy" files).
    """

    data: bytes
    signature: Signature
    settled: bool

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return sha256(self.data).digest()


class TooLargeError(Exception):
    """The file is larger than the limit."""


class UnstableError(Exception):
    """The file was written while it was read."""


_RACY_NS = 2_000_000_000


def signature_of(status: os.stat_result) -> Signature:
    """Return the part of ``stat`` that tells whether a file is still the same."""
    return Signature(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)


def stat_file(root: bytes, path: bytes) -> Signature | None:
    """Return the signature of a regular file, links followed; ``None`` where there is none."""
    try:
        status = os.stat(os.path.join(root, path))
    except (OSError, ValueError):
        return None
    return signature_of(status) if stat.S_ISREG(status.st_mode) else None


def is_settled(signature: Signature, now_ns: int) -> bool:
    """Whether the file's last change lies far enough behind ``now_ns`` (wall clock) for its times to be trusted."""
    return max(signature.mtime_ns, signature.ctime_ns) < now_ns - _RACY_NS


def read_file(root: bytes, path: bytes, limit: int, now_ns: int) -> FileBytes:
    """Read a regular file of at most ``limit`` bytes.

    Raises ``TooLargeError``, ``UnstableError``, or ``OSError`` where it cannot be opened, is no regular file or leads
    out of the root.
    """
    full = os.path.join(root, path)
    # O_NONBLOCK: a path that became a FIFO must not hang us.
    descriptor = os.open(full, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError("not a regular file")
        if os.path.islink(full) and not _inside(root, full):
            raise OSError("a link out of the root")
        if before.st_size > limit:
            raise TooLargeError
        parts: list[bytes] = []
        left = limit + 1
        while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        if left <= 0:
            raise TooLargeError
        signature = signature_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    if signature != signature_of(before) or sum(map(len, parts)) != signature.size:
        raise UnstableError
    return FileBytes(b"".join(parts), signature, is_settled(signature, now_ns))


def _inside(root: bytes, full: bytes) -> bool:
    real = os.path.realpath(full)
    return real.startswith(os.path.realpath(root).rstrip(b"/") + b"/")


def read_optional(path: bytes, limit: int = 1 << 20) -> bytes | None:
    """Return a configuration file's bytes by its absolute path; ``None`` where there is no such regular file.

    What is longer than ``limit`` bytes is cut: no configuration is, and the engine that reads it whole will say so.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            return file.read(limit)
        except OSError:
            return None


def list_directory(path: bytes) -> frozenset[bytes]:
    """Return the names in a directory, folders' with a trailing ``/``, links followed; none where it cannot be read."""
    try:
        with os.scandir(path) as entries:
            return frozenset([entry.name + b"/" if entry.is_dir() else entry.name for entry in entries])
    except OSError:
        return frozenset()
