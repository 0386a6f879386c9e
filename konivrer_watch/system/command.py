"""How our own processes are run: by this interpreter, with nothing importable that lies in the current folder.

It imports nothing that costs time: the short commands look for such processes.
"""

import sys
from pathlib import Path

OURS = (sys.executable, "-I", "-m", "konivrer_watch.cli")
"""The beginning of each command line."""


def supervisor_command(root: Path) -> tuple[str | Path, ...]:
    """Return the command line of a root's supervisor."""
    return (*OURS, "_supervise", root)
