"""The folder of logs as a heal looks at it: there, writable, and within its bound."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from konivrer_watch.core.model import LogFile
from konivrer_watch.system.files import make_private

_TEST = b"a heal writes this to see whether it can\n" * 100


def make_folder(folder: Path) -> bool:
    """Make the folder where it is missing; return whether it was. Raises ``OSError``."""
    if folder.is_dir():
        return False
    make_private(folder)
    return True


def write_fault(folder: Path) -> str | None:
    """Return why nothing can be written in a folder; found by writing."""
    place = folder / f"heal-test.{os.getpid()}"
    try:
        descriptor = os.open(
            place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(descriptor, "wb") as file:
            file.write(_TEST)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        with suppress(OSError):
            place.unlink()
    return None


def surplus_logs(folder: Path, keep: int) -> Iterator[Path]:
    """Return the old logs beyond the ``keep`` that stay: they were kept under other settings."""
    for name in LogFile:
        for path in folder.glob(f"{name}.*"):
            number = path.name.removeprefix(f"{name}.")
            if number.isdecimal() and int(number) > keep:
                yield path
