import os
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psutil
import pytest

from konivrer_watch.core.pace import Load, Resource
from konivrer_watch.system import load
from konivrer_watch.system.cgroups import Cgroups
from konivrer_watch.system.load import LoadMeter, allowed_cpus

SPIN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


@contextmanager
def child(code: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-I", "-c", code], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_real_sample_is_made_of_percentages_and_the_next_one_too_soon_is_the_same() -> None:
    meter = LoadMeter()
    first = meter.sample(10.0)
    assert first.cpu_others_percent is None
    assert first.memory_others_percent is not None and 0 < first.memory_others_percent < 100
    assert meter.sample(10.1) is first


def test_work_of_a_living_and_of_a_reaped_child_is_our_own() -> None:
    meter = LoadMeter()
    began = time.monotonic()
    meter.sample(began)
    subprocess.run([sys.executable, "-I", "-c", SPIN.format(seconds=0.2)], check=True, timeout=30)
    with child(SPIN.format(seconds=60)) as spinning:
        alive = psutil.Process(spinning.pid)
        while alive.cpu_times().user < 0.2:
            time.sleep(0.02)
        now = time.monotonic()
        found = meter.sample(now)
    assert found.own_cpu_percent is not None
    spent = found.own_cpu_percent / 100 * (now - began) * len(allowed_cpus())
    assert spent > 0.35


def test_the_biggest_other_process_is_named_with_pid_and_share() -> None:
    meter = LoadMeter()
    meter.sample(10.0, Resource.MEMORY)
    named = meter.biggest_other(Resource.MEMORY)
    assert named is not None
    name, pid, share = named.rsplit(", ", 2)
    assert name
    assert pid.startswith("pid ")
    assert int(pid.removeprefix("pid ")) != os.getpid()
    assert share.endswith(" %")


def test_the_biggest_other_user_of_cpu_is_known_from_the_second_sample_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with child("input()") as quiet, child("input()") as busy:
        spent = {quiet.pid: 1.0, busy.pid: 2.0}
        monkeypatch.setattr(load, "_own_tree", lambda: [psutil.Process()])
        monkeypatch.setattr(load, "_cpu_seconds", lambda process: (spent.get(process.pid, 0.0), 0.0))
        meter = LoadMeter()
        assert meter.sample(10.0, Resource.CPU).cause is None
        spent[busy.pid] += len(allowed_cpus()) * 0.75
        cause = meter.sample(11.0, Resource.CPU).cause
        name = psutil.Process(busy.pid).name()
        assert cause == f"{name}, pid {busy.pid}, 75 %"


def test_a_process_name_cannot_write_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "name", lambda self: "\x1b[2J\udcff\u202e" + "x" * 100)
    named = load._named(psutil.Process(), 0.5)
    assert named == f"?[2J??{'x' * 34}, pid {os.getpid()}, 50 %"


def test_resident_memory_is_told_apart_for_us_and_for_our_children() -> None:
    ours, none = LoadMeter().rss_of_tree()
    assert ours > 1 << 20
    with child("print(end='', flush=True)\ninput()"):
        _, children = LoadMeter().rss_of_tree()
        assert children > none


def test_capacity_is_the_least_of_affinity_and_quota() -> None:
    files = {
        "/proc/self/cgroup": "0::/\n",
        "/proc/self/mountinfo": "30 23 0:26 / /c rw - cgroup2 cgroup2 rw\n",
        "/c/cpu.max": "20000 100000\n",
    }
    assert LoadMeter(Cgroups(files.get)).capacity() == 0.2
    files["/c/cpu.max"] = "max 100000\n"
    assert LoadMeter(Cgroups(files.get)).capacity() == len(allowed_cpus())


@pytest.mark.parametrize(
    "fault",
    [
        psutil.AccessDenied(1),
        psutil.NoSuchProcess(1),
        psutil.ZombieProcess(1),
        PermissionError(),
        RuntimeError("btime"),
    ],
)
def test_what_psutil_may_not_read_is_unknown_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def denied(*args: object, **kwargs: object) -> NoReturn:
        raise fault

    for name in ("cpu_times", "virtual_memory", "process_iter"):
        monkeypatch.setattr(psutil, name, denied)
    for name in ("children", "cpu_times", "memory_info", "name"):
        monkeypatch.setattr(psutil.Process, name, denied)
    monkeypatch.setattr(load, "read_text", lambda path: None)
    meter = LoadMeter(Cgroups(lambda path: None))
    for now in (10.0, 11.0, 12.0):
        for resource in Resource:
            assert meter.sample(now, resource) == Load(at=now)
    assert meter.rss_of_tree() == (0, 0)
    assert load._named(psutil.Process(), 0.5) is None


Times = namedtuple("Times", "user nice system idle iowait irq softirq steal")


def test_stolen_time_is_neither_load_nor_capacity_and_foreign_cpus_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = [Times(1, 2, 3, 10, 4, 5, 6, 1000), Times(500, 0, 0, 0, 0, 0, 0, 0)]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: every)
    assert load._cpu_counters(frozenset({0})) == (17, 31)
    assert load._cpu_counters(frozenset({0, 1})) == (517, 531)
    assert load._cpu_counters(frozenset({1, 7})) == (517, 531)


def test_a_platform_that_tells_less_of_its_cpus_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    mac = namedtuple("mac", "user nice system idle")
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [mac(1, 2, 3, 10)])
    assert load._cpu_counters(frozenset({0})) == (6, 16)
