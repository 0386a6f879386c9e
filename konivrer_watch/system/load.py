"""What the machine is doing, and how much of it is our doing. The only importer of psutil.

Whatever psutil cannot read on this platform, or is not allowed to, is unknown and not an error.
"""

import os
import sys

import msgspec
import psutil

from konivrer_watch.core.pace import STALE_AFTER, Load, Resource
from konivrer_watch.system.cgroups import Cgroups, read_text
from konivrer_watch.system.readings import SHORTEST_SPAN, Reading, load_between, parse_pressure

# psutil lets OSError through where /proc is hidden, and raises RuntimeError where /proc/stat has no btime.
UNREADABLE = (psutil.Error, OSError, RuntimeError)

MOST_NAME = 40


def allowed_cpus() -> frozenset[int]:
    """The CPUs this process may run on; all of them where the platform does not say (macOS)."""
    if sys.platform == "linux":
        return frozenset(os.sched_getaffinity(0))
    else:
        return frozenset(range(os.cpu_count() or 1))


class LoadMeter:
    """Samples the machine by difference since its own previous sample, for one thread at a time."""

    def __init__(self, cgroups: Cgroups | None = None) -> None:
        self._cgroups = cgroups if cgroups is not None else Cgroups()
        self._before: Reading | None = None
        self._load: Load | None = None
        self._spent: tuple[float, dict[int, float]] = (-STALE_AFTER, {})

    def sample(self, now: float, name: Resource | None = None) -> Load:
        """The load since the previous sample, naming the biggest other user of ``name`` if asked.

        ``now`` is monotonic seconds. The first sample, and one after a long silence, knows no CPU
        figure. A sample too soon after the last is the last one again. Raises nothing: what cannot
        be read is ``None``. Blocks for a few milliseconds.
        """
        if self._load is not None and 0 <= now - self._load.at < SHORTEST_SPAN:
            return self._load
        after = self._read(now)
        load = load_between(self._before, after)
        self._before, self._load = after, load
        if name is not None:
            self._load = msgspec.structs.replace(load, cause=self.biggest_other(name))
        return self._load

    def capacity(self) -> float:
        """Cores we may use: the least of CPU affinity and every quota above us. At least 0.01."""
        return max(0.01, min([len(allowed_cpus()), *(group.quota for group in self._cgroups.cpu())]))

    def rss_of_tree(self) -> tuple[int, int]:
        """Resident bytes of this process, and of its descendants together (shared pages count in each)."""
        sizes = [_resident(process) for process in _own_tree()]
        return sizes[-1], sum(sizes[:-1])

    def biggest_other(self, resource: Resource) -> str | None:
        """The other process that uses most of ``resource`` as of the last sample: "stress-ng, pid 123, 48 %".

        ``None`` while unknown: for CPU, the first of two calls half a minute apart at most only takes note
        of what each process has spent. Costs about 40 µs per process of the machine.
        """
        own = {process.pid for process in _own_tree()}
        try:
            others = [process for process in psutil.process_iter() if process.pid not in own]
        except UNREADABLE:
            return None
        if resource is Resource.CPU:
            shares = self._cpu_shares(others)
        else:
            total = _memory()[0] or 0
            shares = {process: _resident(process) / total for process in others} if total else {}
        if not shares:
            return None
        process = max(shares, key=lambda process: shares[process])
        return _named(process, shares[process])

    def _cpu_shares(self, others: list[psutil.Process]) -> dict[psutil.Process, float]:
        at, earlier = self._spent
        now = self._load.at if self._load is not None else at
        spent = {process: _cpu_seconds(process)[0] for process in others}
        self._spent = (now, {process.pid: seconds for process, seconds in spent.items()})
        span = now - at
        if not 0 < span < STALE_AFTER:
            return {}
        whole = span * len(allowed_cpus())
        return {
            process: (seconds - earlier.get(process.pid, 0.0)) / whole for process, seconds in spent.items()
        }

    def _read(self, now: float) -> Reading:
        busy, total = _cpu_counters(allowed_cpus())
        tree = _own_tree()
        memory_total, memory_available = _memory()
        return Reading(
            at=now,
            busy=busy,
            total=total,
            own_cpu=sum(sum(_cpu_seconds(process)) for process in tree),
            cpu_groups=self._cgroups.cpu(),
            memory_total=memory_total,
            memory_available=memory_available,
            own_memory=sum(_private(process) for process in tree),
            memory_groups=self._cgroups.memory(),
            pressure=parse_pressure(read_text("/proc/pressure/memory")),
        )


def _own_tree() -> list[psutil.Process]:
    """Our descendants, then ourselves: a child reaped meanwhile is then in our own reaped time."""
    me = psutil.Process()
    try:
        return [*reversed(me.children(recursive=True)), me]
    except UNREADABLE:
        return [me]


def _cpu_counters(cpus: frozenset[int]) -> tuple[float | None, float | None]:
    """Busy seconds and all seconds of ``cpus`` since boot; of every CPU where their numbers have gaps."""
    try:
        every = psutil.cpu_times(percpu=True)
    except UNREADABLE:
        return None, None
    chosen = [every[cpu] for cpu in cpus] if max(cpus) < len(every) else every
    kinds = ("user", "nice", "system", "irq", "softirq")
    busy = sum(getattr(times, kind, 0.0) for times in chosen for kind in kinds)
    return busy, busy + sum(times.idle + getattr(times, "iowait", 0.0) for times in chosen)


def _cpu_seconds(process: psutil.Process) -> tuple[float, float]:
    """CPU seconds of a process, and of the children it has reaped (0 on macOS, which does not say)."""
    try:
        times = process.cpu_times()
    except UNREADABLE:
        return 0.0, 0.0
    return times.user + times.system, times.children_user + times.children_system


def _memory() -> tuple[int | None, int | None]:
    try:
        memory = psutil.virtual_memory()
    except UNREADABLE:
        return None, None
    return memory.total, memory.available


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except UNREADABLE:
        return 0


def _private(process: psutil.Process) -> int:
    """Bytes that only this process holds. File pages are left out: "available" memory counts them as free."""
    try:
        memory = process.memory_info()
    except UNREADABLE:
        return 0
    return max(0, memory.rss - getattr(memory, "shared", 0))


def _named(process: psutil.Process, share: float) -> str | None:
    if share <= 0:
        return None
    try:
        name = process.name()
    except UNREADABLE:
        return None
    printable = "".join(char if char.isprintable() else "?" for char in name)[:MOST_NAME]
    return f"{printable}, pid {process.pid}, {100 * min(share, 1.0):.0f} %"
