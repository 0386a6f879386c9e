"""Other programs: where they are found, and whether it was their own doing that they ended."""

import os
import shutil
import signal
from pathlib import Path

AGAIN = "it is tried again at the next save, check or change of configuration"
"""What to do where a program was hindered."""

# Sent by people, by shutdowns, and by a system short of memory. Every other signal answers what the program did.
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


def find_program(name: str, search_path: str) -> str | None:
    """Return the absolute path of a program on a ``PATH``; ``None`` where there is none.

    A relative or empty entry would be looked up in whatever the current directory is, such as a repository: it does
    not count.
    """
    entries = [entry for entry in search_path.split(os.pathsep) if Path(entry).is_absolute()]
    return shutil.which(name, path=os.pathsep.join(entries)) if entries else None


def was_ended(code: int | None) -> bool:
    """Whether an exit code (negative: the signal, ``None``: unknown) means that something else ended the program."""
    return code is None or -code in _FROM_OUTSIDE
