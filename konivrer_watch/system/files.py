"""Reads the user's files, none through a link that leaves the root, and makes folders of our own."""

import errno
import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from konivrer_watch.core.model import Signature


class TooLargeError(Exception):
    """The file is larger than the limit."""


class UnstableError(Exception):
    """The file was written while it was read."""


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


_RACY_NS = 2_000_000_000
# O_NONBLOCK: a path that became a FIFO must not hang us.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


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
    """Whether the file's last change lies far enough behind ``now_ns`` (wall clock) for its times to be trusted.

    A modification time in the future was set by hand and says nothing; the change time cannot be set.
    """
    return signature.ctime_ns < now_ns - _RACY_NS and not -_RACY_NS <= signature.mtime_ns - now_ns <= _RACY_NS


def read_file(root: bytes, path: bytes, limit: int, now_ns: int) -> FileBytes:
    """Read a regular file of at most ``limit`` bytes.

    Raises ``TooLargeError``, ``UnstableError``, or ``OSError`` where it cannot be opened, is no regular file or leads
    out of the root, by itself or by a folder on its way.
    """
    full = os.path.join(root, path)
    descriptor = os.open(full, _READ)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError("not a regular file")
        if not _inside(root, _place(descriptor, full)):
            raise OSError("a link out of the root")
        if before.st_size > limit:
            raise TooLargeError
        data = _read(descriptor, limit + 1)
        if len(data) > limit:
            raise TooLargeError
        signature = signature_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    if signature != signature_of(before) or len(data) != signature.size:
        raise UnstableError
    return FileBytes(data, signature, is_settled(signature, now_ns))


def _read(descriptor: int, limit: int) -> bytes:
    """Return the first ``limit`` bytes, or all where there are fewer."""
    parts: list[bytes] = []
    while limit > 0 and (part := os.read(descriptor, min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _place(descriptor: int, full: bytes) -> bytes:
    """Return where an open file is, free of links: Linux knows, elsewhere its path is followed once more."""
    try:
        return os.readlink(b"/proc/self/fd/%d" % descriptor)
    except OSError:
        return os.path.realpath(full)


def _inside(root: bytes, place: bytes) -> bool:
    return any(place.startswith(each.rstrip(b"/") + b"/") for each in (root, os.path.realpath(root)))


def read_optional(path: bytes, limit: int = 1 << 20) -> bytes | None:
    """Return a configuration file's bytes by its absolute path; ``None`` where there is no such regular file.

    What is longer than ``limit`` bytes is cut: no configuration is, and the engine that reads it whole will say so.
    """
    try:
        descriptor = os.open(path, _READ)
    except (OSError, ValueError):
        return None
    try:
        return _read(descriptor, limit) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def list_directory(path: bytes) -> frozenset[bytes]:
    """Return the names in a directory, folders' with a trailing ``/``, links followed; none where it cannot be read."""
    try:
        with os.scandir(path) as entries:
            return frozenset([entry.name + b"/" if _is_folder(entry) else entry.name for entry in entries])
    except (OSError, ValueError):
        return frozenset()


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A loop of links, or a folder that may not be entered.
        return False


def make_private(folder: Path) -> None:
    """Make a folder, and every missing one above it, for its owner alone; what is there already stays as it is.

    ``Path.mkdir`` gives the folders above the default mode. Raises ``OSError`` where one cannot be made, or is another
    user's: what lies there would be that one's to replace, by links for example.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
        _refuse_owner(folder, {os.geteuid()})
        _refuse_owner(folder.parent, {os.geteuid(), 0})
    except FileNotFoundError:
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def replace_private(path: Path, data: bytes) -> None:
    """Write a file of ours whole or not at all, for its owner alone; its folder is made where it is missing.

    Raises ``OSError``; what was there before is then still there.
    """
    make_private(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def _refuse_owner(folder: Path, owners: set[int]) -> None:
    owner = folder.stat().st_uid
    if owner not in owners:
        raise PermissionError(
            errno.EPERM, f"it belongs to user {owner}, and we are user {os.geteuid()}", str(folder)
        )
