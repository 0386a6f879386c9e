import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.pace import STALE_AFTER, Load
from konivrer_watch.system.cgroups import CpuGroup, MemoryGroup
from konivrer_watch.system.readings import Reading, load_between, parse_pressure

GIB = 1 << 30
BEFORE = Reading(at=100.0, busy=50.0, total=200.0, own_cpu=10.0)
AFTER = Reading(at=101.0, busy=51.5, total=202.0, own_cpu=10.5)


def with_(reading: Reading, **changes: object) -> Reading:
    return msgspec.structs.replace(reading, **changes)


def test_others_are_the_busy_time_without_our_own() -> None:
    found = load_between(BEFORE, AFTER)
    assert found.cpu_others_percent == pytest.approx(50.0)
    assert found.own_cpu_percent == pytest.approx(25.0)


def test_one_reading_alone_knows_no_cpu_share() -> None:
    assert load_between(None, AFTER) == Load(at=101.0)


def test_readings_too_far_or_too_near_or_out_of_order_know_no_cpu_share() -> None:
    for span in (STALE_AFTER + 1, 0.1, 0.0, -1.0):
        found = load_between(BEFORE, with_(AFTER, at=BEFORE.at + span))
        assert found.cpu_others_percent is None
        assert found.own_cpu_percent is None


def test_a_quota_used_up_by_others_in_our_group_counts_against_the_quota() -> None:
    before = with_(BEFORE, cpu_groups=(CpuGroup("/g", 0.5, 7.0),))
    found = load_between(before, with_(AFTER, own_cpu=10.1, cpu_groups=(CpuGroup("/g", 0.5, 7.5),)))
    assert found.cpu_others_percent == pytest.approx(80.0)


def test_a_quota_used_up_by_ourselves_is_no_load_of_others() -> None:
    before = with_(BEFORE, cpu_groups=(CpuGroup("/g", 0.2, 7.0),))
    after = with_(AFTER, busy=50.2, own_cpu=10.2, cpu_groups=(CpuGroup("/g", 0.2, 7.2),))
    assert load_between(before, after).cpu_others_percent == pytest.approx(0.0, abs=1e-9)


def test_memory_of_others_is_what_neither_we_nor_the_cache_hold() -> None:
    reading = with_(AFTER, memory_total=8 * GIB, memory_available=2 * GIB, own_memory=2 * GIB)
    assert load_between(None, reading).memory_others_percent == pytest.approx(50.0)


def test_memory_of_others_in_our_limited_group_counts_against_its_limit() -> None:
    group = MemoryGroup("/g", GIB, GIB)
    reading = with_(
        AFTER, memory_total=64 * GIB, memory_available=60 * GIB, own_memory=GIB // 4, memory_groups=(group,)
    )
    assert load_between(None, reading).memory_others_percent == pytest.approx(75.0)


def test_stalls_that_our_own_memory_causes_are_not_others_pressure() -> None:
    machine = with_(AFTER, memory_total=8 * GIB, memory_available=2 * GIB, own_memory=GIB, pressure=40.0)
    assert load_between(None, machine).memory_pressure == 40.0
    assert load_between(None, with_(machine, own_memory=4 * GIB)).memory_pressure is None
    full = (MemoryGroup("/g", GIB, GIB),)
    assert load_between(None, with_(machine, memory_groups=full)).memory_pressure is None
    roomy = (MemoryGroup("/g", 2 * GIB, GIB),)
    assert load_between(None, with_(machine, memory_groups=roomy)).memory_pressure == 40.0


counters = st.none() | st.floats(-1e9, 1e9)
groups = st.lists(
    st.builds(CpuGroup, st.sampled_from(["/a", "/b"]), st.floats(0.01, 64), st.none() | st.floats(-1e6, 1e6)),
    max_size=2,
)
readings = st.builds(
    Reading,
    at=st.floats(0, 100),
    busy=counters,
    total=counters,
    own_cpu=st.floats(-1e9, 1e9),
    cpu_groups=groups.map(tuple),
    memory_total=st.none() | st.integers(0, 1 << 50),
    memory_available=st.none() | st.integers(0, 1 << 50),
    own_memory=st.integers(0, 1 << 50),
    memory_groups=st.lists(
        st.builds(MemoryGroup, st.just("/a"), st.integers(1, 1 << 50), st.integers(0, 1 << 50))
    ).map(tuple),
)


@given(readings, readings)
def test_every_figure_is_unknown_or_a_percentage(before: Reading, after: Reading) -> None:
    found = load_between(before, after)
    for figure in (found.cpu_others_percent, found.memory_others_percent, found.own_cpu_percent):
        assert figure is None or 0.0 <= figure <= 100.0


@given(st.floats(0.2, STALE_AFTER), st.floats(0, 1), st.integers(1, 64), st.floats(0.01, 64))
def test_own_work_alone_is_never_others_load(span: float, share: float, cores: int, quota: float) -> None:
    own = span * share * cores
    before = Reading(at=0.0, busy=0.0, total=0.0, cpu_groups=(CpuGroup("/g", quota, 0.0),))
    after = Reading(
        at=span, busy=own, total=span * cores, own_cpu=own, cpu_groups=(CpuGroup("/g", quota, own),)
    )
    assert load_between(before, after).cpu_others_percent == 0.0


@pytest.mark.parametrize(
    ("text", "pressure"),
    [
        ("some avg10=9.00 avg60=0.00 total=1\nfull avg10=1.50 avg60=0.00 total=2\n", 1.5),
        ("some avg10=9.00 avg60=0.00 total=1\n", None),
        ("full avg10=lots\n", None),
        ("full\n\x00", None),
        ("", None),
        (None, None),
    ],
)
def test_pressure_is_the_share_of_time_in_which_every_task_waited(
    text: str | None, pressure: float | None
) -> None:
    assert parse_pressure(text) == pressure
