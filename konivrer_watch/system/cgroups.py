"""CPU and memory limits set on us by control groups, v1 and v2, along all ancestors.

Inside a container the machine's totals are the host's, so limits and their use are read here.
Formats: kernel ``Documentation/admin-guide/cgroup-v2.rst``, ``cgroup-v1/memory.rst``,
``scheduler/sched-bwc.rst`` and ``proc_pid_mountinfo(5)``. Whatever is missing or unreadable is no limit.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

Read = Callable[[str], str | None]

UNLIMITED = 1 << 60
"""v1 writes "no limit" as the largest multiple of a page below 2**63."""


class Hierarchy(msgspec.Struct, frozen=True):
    """Where one controller's groups of this process are: directories from our own up to the mount point."""

    version: int
    directories: tuple[str, ...] = ()


class CpuGroup(msgspec.Struct, frozen=True):
    """A group with a CPU quota, in cores, and the CPU seconds its members have used (``None``: unknown)."""

    directory: str
    quota: float
    used: float | None


class MemoryGroup(msgspec.Struct, frozen=True):
    """A group with a memory limit, and what its members hold beyond reclaimable cache, in bytes."""

    directory: str
    limit: int
    working_set: int


def read_text(path: str) -> str | None:
    """The file's text, ``None`` where it cannot be read."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return None


def find_hierarchy(cgroup: str, mountinfo: str, controller: str) -> Hierarchy | None:
    """Our groups of ``controller``, from the texts of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.

    A controller named in a v1 line is governed there; otherwise by the v2 line (``0::``).
    """
    memberships = [fields for line in cgroup.splitlines() if len(fields := line.split(":", 2)) == 3]
    for _, controllers, path in memberships:
        if controller in controllers.split(","):
            return _located(1, path, mountinfo, "cgroup", controller)
    for number, controllers, path in memberships:
        if number == "0" and not controllers:
            return _located(2, path, mountinfo, "cgroup2", None)
    return None


def _located(version: int, path: str, mountinfo: str, kind: str, option: str | None) -> Hierarchy | None:
    for line in mountinfo.splitlines():
        mount, separator, source = line.partition(" - ")
        left, right = mount.split(" "), source.split(" ")
        if not separator or len(left) < 5 or len(right) < 3 or right[0] != kind:
            continue
        if option is None or option in right[2].split(","):
            return Hierarchy(version, _upward(path, root=left[3], point=left[4]))
    return None


def _upward(path: str, root: str, point: str) -> tuple[str, ...]:
    """Directories of ``path`` under a mount showing ``root``; a path outside of it leaves the mount point."""
    inside = root == "/" or path == root or path.startswith(root + "/")
    relative = path.removeprefix(root) if inside else ""
    names = [name for name in relative.split("/") if name]
    if ".." in names:
        names = []
    return tuple("/".join([point, *names[:depth]]) for depth in range(len(names), -1, -1))


def parse_cpu_max(text: str | None) -> float | None:
    """v2 ``cpu.max`` ("50000 100000") in cores; ``None`` where there is no limit."""
    return parse_quota(*text.split()[:2]) if text is not None and len(text.split()) >= 2 else None


def parse_quota(quota: str | None, period: str | None) -> float | None:
    """v1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` in cores; -1 and "max" are no limit."""
    used, per = parse_number(quota), parse_number(period)
    return used / per if used and per else None


def parse_limit(text: str | None) -> int | None:
    """v2 ``memory.max`` or v1 ``memory.limit_in_bytes`` in bytes; ``None`` where there is no limit."""
    limit = parse_number(text)
    return limit if limit is not None and 0 < limit < UNLIMITED else None


def parse_number(text: str | None) -> int | None:
    """A file that holds one count; ``None`` for "max", -1 and whatever is no count."""
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() else None


def parse_field(text: str | None, key: str) -> int | None:
    """The value of ``key`` in a flat keyed file such as ``memory.stat``."""
    for line in (text or "").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return parse_number(value)
    return None


class Cgroups:
    """The groups this process is in, found once; the limits and their use, read anew at each call."""

    def __init__(self, read: Read = read_text) -> None:
        self._read = read
        cgroup, mounts = read("/proc/self/cgroup") or "", read("/proc/self/mountinfo") or ""
        nowhere = Hierarchy(version=2)
        self._cpu = find_hierarchy(cgroup, mounts, "cpu") or nowhere
        self._memory = find_hierarchy(cgroup, mounts, "memory") or nowhere
        accounts = find_hierarchy(cgroup, mounts, "cpuacct") or nowhere
        # v1 may count CPU in another hierarchy, which speaks of the same processes only at the same path.
        counted = {_tail(accounts, directory): directory for directory in accounts.directories}
        self._accounts = {
            directory: counted.get(_tail(self._cpu, directory)) for directory in self._cpu.directories
        }

    def cpu(self) -> tuple[CpuGroup, ...]:
        """Every group above us that limits CPU, our own first."""
        groups = []
        for directory in self._cpu.directories:
            if self._cpu.version == 2:
                quota = parse_cpu_max(self._read(f"{directory}/cpu.max"))
                count, unit = parse_field(self._read(f"{directory}/cpu.stat"), "usage_usec"), 1e-6
            else:
                files = [self._read(f"{directory}/cpu.cfs_{name}_us") for name in ("quota", "period")]
                quota = parse_quota(*files)
                account = self._accounts[directory]
                count, unit = parse_number(self._read(f"{account}/cpuacct.usage") if account else None), 1e-9
            if quota is not None:
                groups.append(CpuGroup(directory, quota, None if count is None else count * unit))
        return tuple(groups)

    def memory(self) -> tuple[MemoryGroup, ...]:
        """Every group above us that limits memory, our own first."""
        two = self._memory.version == 2
        limit_file, use_file, cache = (
            ("memory.max", "memory.current", "inactive_file")
            if two
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        groups = []
        for directory in self._memory.directories:
            limit = parse_limit(self._read(f"{directory}/{limit_file}"))
            if limit is None:
                continue
            used = parse_number(self._read(f"{directory}/{use_file}")) or 0
            reclaimable = parse_field(self._read(f"{directory}/memory.stat"), cache) or 0
            groups.append(MemoryGroup(directory, limit, max(0, used - reclaimable)))
        return tuple(groups)


def _tail(hierarchy: Hierarchy, directory: str) -> str:
    return directory.removeprefix(hierarchy.directories[-1])
