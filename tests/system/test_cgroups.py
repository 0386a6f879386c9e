from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.system.cgroups import (
    Cgroups,
    CpuGroup,
    Hierarchy,
    MemoryGroup,
    find_hierarchy,
    parse_cpu_max,
    parse_field,
    parse_limit,
    parse_quota,
    read_text,
)

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
TOGETHER = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
LIMITED_V2 = {
    "/proc/self/cgroup": "0::/user.slice/app.scope\n",
    "/proc/self/mountinfo": V2_MOUNT,
    "/sys/fs/cgroup/user.slice/app.scope/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/user.slice/cpu.max": "50000 100000\n",
    "/sys/fs/cgroup/user.slice/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
    "/sys/fs/cgroup/user.slice/app.scope/memory.max": "1000000\n",
    "/sys/fs/cgroup/user.slice/app.scope/memory.current": "700000\n",
    "/sys/fs/cgroup/user.slice/app.scope/memory.stat": "anon 5\nactive_file 7\ninactive_file 200000\n",
    "/sys/fs/cgroup/user.slice/memory.max": "max\n",
}
LIMITED_V1 = {
    "/proc/self/cgroup": "4:memory:/job\n2:cpuacct:/job\n1:cpu:/job\n0::/\n",
    "/proc/self/mountinfo": V1_MOUNTS,
    "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "20000\n",
    "/sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/cpuacct/job/cpuacct.usage": "1500000000\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "268435456\n",
    "/sys/fs/cgroup/memory/job/memory.usage_in_bytes": "100000000\n",
    "/sys/fs/cgroup/memory/job/memory.stat": "inactive_file 1\ntotal_inactive_file 60000000\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
}


def machine(files: Mapping[str, str]) -> Cgroups:
    return Cgroups(read=files.get)


def test_a_v2_quota_of_an_ancestor_holds_and_what_its_members_used_is_known() -> None:
    assert machine(LIMITED_V2).cpu() == (CpuGroup("/sys/fs/cgroup/user.slice", 0.5, 2.5),)


def test_a_v2_memory_limit_counts_without_the_reclaimable_cache() -> None:
    assert machine(LIMITED_V2).memory() == (
        MemoryGroup("/sys/fs/cgroup/user.slice/app.scope", 1_000_000, 500_000),
    )


def test_v1_limits_hold_and_its_huge_number_is_no_limit() -> None:
    groups = machine(LIMITED_V1)
    assert groups.cpu() == (CpuGroup("/sys/fs/cgroup/cpu/job", 0.2, 1.5),)
    assert groups.memory() == (MemoryGroup("/sys/fs/cgroup/memory/job", 268_435_456, 40_000_000),)


def test_v1_usage_counted_for_other_processes_is_not_taken_for_the_groups() -> None:
    elsewhere = LIMITED_V1 | {"/proc/self/cgroup": "2:cpuacct:/\n1:cpu:/job\n"}
    assert machine(elsewhere).cpu() == (CpuGroup("/sys/fs/cgroup/cpu/job", 0.2, None),)


def test_without_any_control_group_file_there_is_no_limit() -> None:
    assert machine({}).cpu() == ()
    assert machine({}).memory() == ()


def test_a_limit_that_appears_later_is_seen() -> None:
    files = dict(LIMITED_V2)
    groups = machine(files)
    files["/sys/fs/cgroup/user.slice/app.scope/cpu.max"] = "10000 100000"
    assert [group.quota for group in groups.cpu()] == [0.1, 0.5]


def test_controllers_may_share_a_v1_hierarchy() -> None:
    assert find_hierarchy("3:cpu,cpuacct:/job\n", TOGETHER, "cpuacct") == Hierarchy(
        1, ("/sys/fs/cgroup/cpu,cpuacct/job", "/sys/fs/cgroup/cpu,cpuacct")
    )


@pytest.mark.parametrize(
    ("path", "root", "directories"),
    [
        ("/docker/abc/inner", "/docker/abc", ("/sys/fs/cgroup/inner", "/sys/fs/cgroup")),
        ("/docker/abc", "/docker/abc", ("/sys/fs/cgroup",)),
        ("/docker/abcdef", "/docker/abc", ("/sys/fs/cgroup",)),
        ("/../outside", "/", ("/sys/fs/cgroup",)),
        ("/", "/", ("/sys/fs/cgroup",)),
        ("/a:b", "/", ("/sys/fs/cgroup/a:b", "/sys/fs/cgroup")),
    ],
)
def test_a_group_is_found_below_what_the_mount_shows(
    path: str, root: str, directories: tuple[str, ...]
) -> None:
    mount = f"30 23 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert find_hierarchy(f"0::{path}\n", mount, "cpu") == Hierarchy(2, directories)


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("150000 100000\n", 1.5),
        ("max 100000\n", None),
        ("", None),
        (None, None),
        ("50000 0", None),
        ("5", None),
    ],
)
def test_cpu_max_is_read_in_cores(text: str | None, cores: float | None) -> None:
    assert parse_cpu_max(text) == cores


@given(st.none() | st.text(max_size=30), st.none() | st.text(max_size=30))
def test_no_text_makes_a_parser_fail_or_give_a_limit_below_zero(one: str | None, two: str | None) -> None:
    for figure in (parse_cpu_max(one), parse_quota(one, two), parse_limit(one), parse_field(one, two or "")):
        assert figure is None or figure >= 0


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_makes_the_search_for_groups_fail(cgroup: str, mountinfo: str) -> None:
    files = {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": mountinfo}
    assert machine(files).cpu() == ()
    assert machine(files).memory() == ()


def test_an_unreadable_file_is_none() -> None:
    assert read_text("/") is None
    assert read_text("/nonexistent") is None


def test_the_groups_of_this_process_can_be_read() -> None:
    groups = Cgroups()
    assert all(group.quota > 0 for group in groups.cpu())
    assert all(group.limit > 0 and group.working_set >= 0 for group in groups.memory())
