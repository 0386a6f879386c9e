"""One service for each root: a lock that the kernel takes back when its holder ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.system.files import make_private


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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _holder(descriptor: int) -> str:
    """Return what the lock's file says, fit for a terminal."""
    try:
        text = os.pread(descriptor, 200, 0).decode("utf-8", "replace")
    except OSError:
        text = ""
    return "".join([character for character in text if character.isprintable()]) or "another process"
