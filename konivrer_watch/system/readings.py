"""Two readings of the machine make a ``Load``: others = all - our own tree of processes.

CPU is that of the CPUs we may run on, without stolen time, because a hypervisor that throttles us
for our own work is no other program's load. Where a control group limits us, what others use inside
that group counts as well, against its limit: the most pressing scope wins. Pure arithmetic.
"""

import msgspec

from konivrer_watch.core.pace import STALE_AFTER, Load
from konivrer_watch.system.cgroups import CpuGroup, MemoryGroup

SHORTEST_SPAN = 0.2
"""Seconds; kernel ticks of 10 ms make a CPU share over less than this a guess."""

NEARLY_FULL = 0.8


class Reading(msgspec.Struct, frozen=True):
    """Counters at one moment: CPU in seconds since boot, memory in bytes. ``None`` where unreadable."""

    at: float
    busy: float | None = None
    total: float | None = None
    own_cpu: float = 0.0
    cpu_groups: tuple[CpuGroup, ...] = ()
    memory_total: int | None = None
    memory_available: int | None = None
    own_memory: int = 0
    memory_groups: tuple[MemoryGroup, ...] = ()
    pressure: float | None = None


def load_between(before: Reading | None, after: Reading) -> Load:
    """The load that two readings show; without a usable first one, CPU is unknown."""
    others, own = _cpu_percents(before, after) if before is not None else (None, None)
    return Load(
        at=after.at,
        cpu_others_percent=others,
        memory_others_percent=_memory_percent(after),
        memory_pressure=None if _memory_is_ours(after) else after.pressure,
        own_cpu_percent=own,
    )


def _cpu_percents(before: Reading, after: Reading) -> tuple[float | None, float | None]:
    span = after.at - before.at
    if not SHORTEST_SPAN <= span <= STALE_AFTER:
        return None, None
    own = max(0.0, after.own_cpu - before.own_cpu)
    shares = []
    earlier = {group.directory: group.used for group in before.cpu_groups}
    for group in after.cpu_groups:
        used = earlier.get(group.directory)
        if used is not None and group.used is not None:
            shares.append((group.used - used - own) / (group.quota * span))
    own_percent = None
    if None not in (before.busy, before.total, after.busy, after.total):
        busy = (after.busy or 0.0) - (before.busy or 0.0)
        total = (after.total or 0.0) - (before.total or 0.0)
        if total > 0:
            shares.append((busy - own) / total)
            own_percent = _percent(own / total)
    return (_percent(max(shares)) if shares else None), own_percent


def _memory_percent(reading: Reading) -> float | None:
    shares = [(group.working_set - reading.own_memory) / group.limit for group in reading.memory_groups]
    if reading.memory_total and reading.memory_available is not None:
        used = reading.memory_total - reading.memory_available
        shares.append((used - reading.own_memory) / reading.memory_total)
    return _percent(max(shares)) if shares else None


def _memory_is_ours(reading: Reading) -> bool:
    """Whether stalls are our own doing: we hold most of what the machine, or a nearly full group, uses."""
    own = reading.own_memory
    if any(
        group.working_set > NEARLY_FULL * group.limit and 2 * own > group.working_set
        for group in reading.memory_groups
    ):
        return True
    if reading.memory_total is None or reading.memory_available is None:
        return False
    return 2 * own > reading.memory_total - reading.memory_available


def _percent(share: float) -> float:
    return 100.0 * min(1.0, max(0.0, share))


def parse_pressure(text: str | None) -> float | None:
    """``full avg10`` of a PSI file (kernel ``Documentation/accounting/psi.rst``), in percent."""
    for line in (text or "").splitlines():
        kind, _, rest = line.partition(" ")
        fields = dict(field.partition("=")[::2] for field in rest.split())
        if kind == "full" and "avg10" in fields:
            try:
                return float(fields["avg10"])
            except ValueError:
                return None
    return None
