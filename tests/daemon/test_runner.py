"""The runner between a queue and a judge that says what a test wants."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import anyio
import pytest

from konivrer_watch.core.model import Outcome, Pass, Trigger, Verdict
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.judge import Judge, Judged
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.runner import Runner
from konivrer_watch.daemon.throttle import Throttle

pytestmark = pytest.mark.anyio


def outcome(path: bytes) -> Outcome:
    """A clean verdict."""
    return Outcome(path, {}, {Pass.LINT: Verdict()}, frozenset(Pass), Trigger.SAVE, 1)


class Scene:
    """Plays judge, intake and throttle."""

    def __init__(self, judged: Judged, present: frozenset[bytes]) -> None:
        self.judged = judged
        self.present = present
        self.calls: list[str] = []
        self.queue = Queue()
        self.inbox = Inbox()
        self.recorder = Recorder(lambda event, judgements, status: None)
        self.progress = anyio.Event()

    async def judge(self, batch: Sequence[Settled]) -> Judged:
        return self.judged

    async def wait_go(self) -> None:
        return

    def counts(self, path: bytes) -> bool:
        return path in self.present

    def outdate(self) -> None:
        self.calls.append("outdate")

    def unsettled(self, entry: Settled) -> None:
        self.calls.append(f"unsettled {entry.path.decode()}")

    def report_progress(self) -> None:
        self.progress.set()


@asynccontextmanager
async def served(scene: Scene, *paths: bytes) -> AsyncIterator[None]:
    """Queue paths, have them served, and go on when that is done."""
    runner = Runner(
        scene.queue,
        cast(Throttle, scene),
        cast(Judge, scene),
        scene.recorder,
        scene.inbox,
        cast(Intake, scene),
    )
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        scene.queue.put_nowait([Settled(path, Trigger.SAVE, 0.0) for path in paths])
        with anyio.fail_after(10):
            await scene.progress.wait()
        yield
        group.cancel_scope.cancel()


async def test_a_file_that_was_removed_while_it_was_judged_does_not_come_back() -> None:
    judged = Judged((outcome(b"here.py"), outcome(b"removed.py")), (), ())
    scene = Scene(judged, frozenset({b"here.py"}))
    async with served(scene, b"here.py", b"removed.py"):
        assert set(scene.recorder.status.files) == {b"here.py"}
        assert scene.queue.idle


async def test_a_context_that_moved_on_is_read_anew_before_the_file_is_judged_again() -> None:
    entry = Settled(b"a.py", Trigger.SAVE, 0.0)
    scene = Scene(Judged((), (entry,), (), context_is_old=True), frozenset({b"a.py"}))
    async with served(scene, b"a.py"):
        assert scene.calls == ["outdate", "unsettled a.py"]


async def test_a_file_that_is_gone_is_hinted_at() -> None:
    scene = Scene(Judged((), (), (b"gone.py",)), frozenset())
    async with served(scene, b"gone.py"):
        assert scene.inbox.take() == frozenset({b"gone.py"})
