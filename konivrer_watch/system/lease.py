"""One service for each root: a lock that the kernel takes back when its holder ends, however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.system.files import make_private

# Whoever only looks holds the lock for microseconds.
_TRIES = 5
_PAUSE_SECONDS = 0.01
_LONGEST = 8192
_LONGEST_NAME = 200


class Held(msgspec.Struct, frozen=True):
    """A lock that is held: by whom, in that one's own words, and since when (seconds since 1970).

    ``place`` is where that one listens, as far as it said so.
    """

    holder: str
    since: float
    place: Path | None = None


@contextmanager
def hold_lease(path: Path, holder: str, place: Path | None = None) -> Iterator[None]:
    """Hold the lock at ``path`` for the length of the block.

    ``holder``, a line, tells others who has it, and ``place`` where that one listens.

    Raises ``LeaseHeldError`` naming the holder where another process has it, ``StopError`` where it cannot be made.
    """
    try:
        make_private(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StopError(f"the lock {path} cannot be made: {error.strerror}; is its folder yours?") from error
    try:
        try:
            _lock(descriptor)
        except BlockingIOError:
            raise LeaseHeldError(
                f"this folder is watched already, by {read_held(descriptor).holder}; stop that one first"
            ) from None
        except OSError as error:
            raise StopError(
                f"the lock {path} cannot be taken: {error.strerror}; the state folder must be on a local disk"
            ) from error
        # Without room for the name the lock holds all the same.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _text(holder, place), 0)
        try:
            yield
        finally:
            # Closing alone would leave the lock to a child that is being started at this moment.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def look_at_lease(path: Path) -> Held | None:
    """Return who holds the lock at ``path``; ``None`` where nobody does, or we may not know.

    The kernel is asked by a shared lock, held for microseconds: flock(2) knows no other question that is answered
    across containers and on every platform. Who takes the lease tries again, so that no look turns anyone away.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_held(descriptor)
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(descriptor)


def read_held(descriptor: int) -> Held:
    """Return what the file of a held lock says, fit for a terminal. Raises ``OSError`` where it is not there."""
    since = os.fstat(descriptor).st_mtime
    try:
        lines = os.pread(descriptor, _LONGEST, 0).split(b"\n")
    except OSError:
        lines = [b""]
    text = lines[0][:_LONGEST_NAME].decode("utf-8", "replace")
    holder = "".join([character for character in text if character.isprintable()]) or "another process"
    place = Path(os.fsdecode(lines[1])) if len(lines) > 2 and b"\0" not in lines[1] else None
    return Held(holder, since, place if place is not None and place.is_absolute() else None)


def _text(holder: str, place: Path | None) -> bytes:
    return holder.encode() + (b"" if place is None else b"\n%b\n" % os.fsencode(place))


def _lock(descriptor: int) -> None:
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
