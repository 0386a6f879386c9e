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


class Held(msgspec.Struct, frozen=True):
    """A lock that is held: by whom, in that one's own words, and since when (seconds since 1970)."""

    holder: str
    since: float


@contextmanager
def hold_lease(path: Path, holder: str) -> Iterator[None]:
    """Hold the lock at ``path`` for the length of the block. ``holder`` tells others who has it.

    Raises ``LeaseHeldError`` naming the holder where another process has it, ``StopError`` where it cannot be made.
    """
    try:
        make_private(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StopError(f"the lock {path} cannot be made: {error.strerror}; is its folder yours?") from error
    try:
        try:
            _lock(descriptor)
        except BlockingIOError:
            raise LeaseHeldError(
                f"this folder is watched already, by {_holder(descriptor)}; stop that one first"
            ) from None
        except OSError as error:
            raise StopError(
                f"the lock {path} cannot be taken: {error.strerror}; the state folder must be on a local disk"
            ) from error
        # Without room for the name the lock holds all the same.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
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
        return Held(_holder(descriptor), os.fstat(descriptor).st_mtime)
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(descriptor: int) -> str:
    """Return what the lock's file says, fit for a terminal."""
    try:
        text = os.pread(descriptor, 200, 0).decode("utf-8", "replace")
    except OSError:
        text = ""
    return "".join([character for character in text if character.isprintable()]) or "another process"
