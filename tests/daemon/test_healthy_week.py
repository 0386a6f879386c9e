"""A week in which nothing goes wrong has 168 heals and nothing to mend: real steps on a virtual clock.

Only the engines are stood in for, by ones that say what they said before: children keep real time.
"""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import anyio
import anyio.to_thread
import pytest
import trio
import trio.testing

from konivrer_watch.core.events import (
    ContextRead,
    FilesJudged,
    HealFinished,
    ProbeSeen,
    QueueDrained,
    SweepFinished,
)
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.pace import Limits, Load
from konivrer_watch.daemon.heal_steps import Patient
from konivrer_watch.daemon.healing import Healing
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.probe import Probe, Source
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.throttle import Throttle
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system import files
from konivrer_watch.system.logs import Severity
from tests.daemon.bench import judge, opened, request_for
from tests.daemon.test_quiet_day import run_inline
from tests.daemon.virtually import heal_virtually

WEEK = 7 * 86_400.0
NAMES = ("a.py", "b.py", "c.py")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path.resolve() / "tree"
    root.mkdir()
    for name in NAMES:
        (root / name).write_text("import os\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    monkeypatch.setattr(files, "_RACY_NS", 1_000_000)
    return root


class Week:
    """What a watcher's heals find and say in a week."""

    def __init__(self, root: Path) -> None:
        self.request = request_for(root)
        self.recorder = Recorder(lambda event, judgements, status: self.heard.append(event))
        self.heard: list[object] = []
        self.said: list[str] = []

    def see(self) -> None:
        """Be the probe: it is seen at once."""
        self.recorder.record(ProbeSeen(f"{anyio.current_time()}"))

    def say(self, severity: Severity, text: str) -> None:
        self.said.append(text)

    def patient(self, bench: Workbench) -> Patient:
        """Return a watcher that is well, and would fail if a heal asked for anything to be judged anew."""
        folders = self.request.folders
        return Patient(
            root=self.request.place.root,
            launcher=Launcher.DIRECT,
            folders=folders,
            settings=self.request.settings,
            bench=bench,
            recorder=self.recorder,
            inbox=Inbox(),
            intake=cast(Intake, SimpleNamespace()),
            source=cast(Source, SimpleNamespace(announces=True)),
            probe=cast(Probe, SimpleNamespace(ask_nowait=self.see)),
            socket=lambda: folders.own / "control.sock",
            log_fault=lambda: None,
        )


async def free(now: float, resource: object) -> Load:
    return Load(now, cpu_others_percent=1.0, memory_others_percent=1.0, own_cpu_percent=0.0)


def test_a_week_without_a_fault_has_168_heals_and_mends_nothing(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = Week(tree)
    (week.request.folders.own / "logs").mkdir(parents=True)
    clock = trio.testing.MockClock(rate=1)

    async def live() -> None:
        async with opened(tree) as bench:
            judged = await judge(bench, *NAMES)
            for event in (
                ContextRead(()),
                SweepFinished("then", ()),
                FilesJudged(judged.outcomes),
                QueueDrained(),
            ):
                week.recorder.record(event)
            assert len(bench.judge.records) == len(NAMES)
            throttle = Throttle(Limits(80, 60), free, week.heard.append, lambda: "now")
            monkeypatch.setattr(anyio.to_thread, "run_sync", run_inline)
            proven = heal_virtually(monkeypatch)
            clock.rate, clock.autojump_threshold = 0, 0
            healer = Healing(week.patient(bench), throttle, week.say, lambda: "now")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(throttle.run)
                nursery.start_soon(healer.run)
                await trio.sleep(WEEK)
                nursery.cancel_scope.cancel()
            monkeypatch.undo()

            assert len(proven) == len(week.said)

    trio.run(live, clock=clock)
    heals = [event for event in week.heard if isinstance(event, HealFinished)]
    assert (len(heals), sum(heal.found for heal in heals), sum(heal.mended for heal in heals)) == (168, 0, 0)
    assert {line[:22] for line in week.said} == {"heal: nothing to mend,"}
    assert len(week.said) == 168
