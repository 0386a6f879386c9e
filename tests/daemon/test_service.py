"""``status`` tells what is missing from the verdict, and nothing of a load that is no longer so."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import anyio
import msgspec
import pytest

from konivrer_watch.core.events import (
    Event,
    EventsMissed,
    HealFinished,
    LogsChecked,
    ProbeMissed,
    ProbeSeen,
    ProbeUnwritten,
    QueueDrained,
    Stalled,
    StoresChecked,
    SweepFinished,
    WorkPaused,
)
from konivrer_watch.core.model import Launcher, Skip
from konivrer_watch.core.pace import Load
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.healing import Healing
from konivrer_watch.daemon.heartbeat import Heartbeat
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.service import Service
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.report.status import WatchReport
from konivrer_watch.system.control import Status
from konivrer_watch.system.load import LoadMeter

pytestmark = pytest.mark.anyio
MEASURED = Load(0.0, cpu_others_percent=12.345, memory_others_percent=3.21, own_cpu_percent=0.049)


async def answer(
    recorder: Recorder,
    load: Load | None = None,
    unproven: str | None = None,
    healed: HealFinished | None = None,
    due: float | None = None,
) -> Any:
    intake = cast(Intake, SimpleNamespace(directories=1))
    throttle = cast(Throttle, SimpleNamespace(load=load, paused_since=None))
    record = ServiceRecord(
        Launcher.SYSTEMD,
        "boot",
        "long ago",
        "then",
        supervisor_pid=7,
        restarts=2,
        reason="killed by signal 9",
    )
    watched, queue, meter = WatchReport("poll"), Queue(), LoadMeter()
    heartbeat = cast(Heartbeat, SimpleNamespace(unproven=unproven))
    healing = cast(Healing, SimpleNamespace(last=healed, due=due))
    service = Service(
        b"/r", record, watched, Settings(), recorder, intake, queue, throttle, meter, heartbeat, healing
    )
    return json.loads(await service.answer(Status(sync=False, findings=False, timeout=1.0)))


def recorder(*skipped: Skip) -> Recorder:
    made = Recorder(lambda *_: None)
    made.record(SweepFinished("2026-01-01T00:00:00Z", skipped))
    made.record(QueueDrained())
    return made


async def test_what_cannot_be_looked_at_is_a_problem_with_a_hint_and_a_link_out_is_none() -> None:
    told = await answer(recorder(Skip(b"p1", "Permission denied"), Skip(b"l.py", "a link", complete=True)))
    assert (told["complete"], told["healthy"]) == (False, True)
    assert told["problems"] == [
        {
            "path": "p1",
            "pass": None,
            "message": "Permission denied",
            "hint": "correct it, or exclude it; the watcher looks again by itself",
        }
    ]


async def test_the_last_heal_is_told_and_when_the_next_is_due() -> None:
    told = (await answer(recorder()))["heal"]
    assert told == {"last": None, "next": None, "found": 0, "mended": 0}
    healed = HealFinished("2026-01-01T00:00:00Z", 3, 2)
    told = (await answer(recorder(), healed=healed, due=100.0))["heal"]
    assert (told["last"], told["found"], told["mended"]) == ("2026-01-01T00:00:00Z", 3, 2)
    due = datetime.fromisoformat(told["next"]) - datetime.now(UTC)
    assert 98 <= due.total_seconds() <= 101


async def test_a_load_measured_just_now_is_told_with_one_decimal() -> None:
    load = msgspec.structs.replace(MEASURED, at=anyio.current_time() - 9)
    told = (await answer(recorder(), load))["load"]
    assert (told["cpu_percent"], told["memory_percent"], told["own_cpu_percent"]) == (12.3, 3.2, 0.0)


@pytest.mark.parametrize("measured", [True, False])
async def test_a_load_of_long_ago_or_none_is_unknown(measured: bool) -> None:
    load = msgspec.structs.replace(MEASURED, at=anyio.current_time() - 11) if measured else None
    told = (await answer(recorder(), load))["load"]
    assert (told["cpu_percent"], told["memory_percent"], told["own_cpu_percent"]) == (None, None, None)
    assert told["threshold"] == 80


async def test_who_keeps_it_and_how_often_it_was_restarted_is_told() -> None:
    told = await answer(recorder())
    assert (told["launcher"], told["restarts"], told["restart_reason"]) == (
        "systemd",
        2,
        "killed by signal 9",
    )


@pytest.mark.parametrize(
    ("event", "state", "healthy", "reason"),
    [
        (ProbeMissed("nothing is heard"), "degraded", False, "nothing is heard"),
        (Stalled("stuck: no progress"), "failed", False, "stuck: no progress"),
        (LogsChecked("no space left"), "watching", True, "no space left"),
        (ProbeUnwritten("read-only"), "watching", True, "read-only"),
    ],
)
async def test_each_fault_is_told_and_those_that_hide_changes_cost_the_health(
    event: Event, state: str, healthy: bool, reason: str
) -> None:
    made = recorder()
    made.record(event)
    told = await answer(made)
    assert (told["state"], told["healthy"], told["reason"]) == (state, healthy, reason)


async def test_a_pause_hides_neither_deafness_nor_a_hang() -> None:
    made = recorder()
    made.record(WorkPaused("CPU", "then"))
    assert (await answer(made))["healthy"] is True
    made.record(ProbeMissed("nothing is heard"))
    told = await answer(made)
    assert (told["state"], told["healthy"]) == ("paused", False)
    made.record(Stalled("stuck"))
    assert (await answer(made))["state"] == "failed"


async def test_a_watch_that_nobody_has_seen_to_work_of_late_is_not_healthy() -> None:
    told = await answer(recorder(), unproven="for 200 s no change was seen to arrive")
    assert (told["state"], told["healthy"]) == ("watching", False)
    assert told["reason"] == "for 200 s no change was seen to arrive"


async def test_what_is_wrong_with_a_store_and_what_was_missed_is_told() -> None:
    made = recorder()
    made.record(StoresChecked(("verdicts.db is read-only",)))
    made.record(EventsMissed(3, b"a.py"))
    made.record(ProbeSeen("now"))
    told = await answer(made)
    assert told["watch"]["missed"] == 3
    assert told["watch"]["probed"] == "now"
    made = recorder()
    made.record(StoresChecked(("verdicts.db is read-only",)))
    assert (await answer(made))["reason"] == "verdicts.db is read-only"
