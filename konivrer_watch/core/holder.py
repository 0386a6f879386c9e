"""What the holder of a lock writes into it about itself, and what others read there. Pure.

The line is ``process 7 (direct), since 2026-01-01 00:00:00 UTC``; it is for people, who see it whole.
"""

import re
from datetime import datetime

import msgspec

from konivrer_watch.core.model import Launcher

# No process has the number 0, which signals would take for all of ours; the largest is a pid_t.
_LINE = re.compile(r"process ([1-9][0-9]{0,9})(?: \((\w+)\))?(?![\w(])")
_LARGEST_PID = 2**31 - 1


class Holder(msgspec.Struct, frozen=True):
    """What a line tells of a holder; ``launcher`` is ``None`` where it names none, or one that is not known."""

    pid: int
    launcher: Launcher | None


def holder_line(pid: int, launcher: Launcher, since: datetime) -> str:
    """Return the line that the process ``pid`` writes; ``since`` is in UTC."""
    return f"process {pid} ({launcher}), since {since:%Y-%m-%d %H:%M:%S} UTC"


def read_holder(line: str) -> Holder | None:
    """Return what a line tells, which may be anything; ``None`` where that is no holder."""
    found = _LINE.match(line)
    if found is None or int(found[1]) > _LARGEST_PID:
        return None
    known = {launcher.value: launcher for launcher in Launcher}
    return Holder(int(found[1]), known.get(found[2]))
