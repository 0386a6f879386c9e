"""The moment it is, by the clocks that matter."""

import time

from konivrer_watch.core.schedule import Instant
from konivrer_watch.system.record import boot_id

# Linux counts time asleep in CLOCK_BOOTTIME alone; on macOS CLOCK_MONOTONIC has it (clock_gettime(2), (3)).
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def read_clocks() -> Instant:
    """Return the present moment."""
    return Instant(time.time(), time.clock_gettime(_SINCE_BOOT), boot_id())
