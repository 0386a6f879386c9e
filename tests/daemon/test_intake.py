"""The intake on real trees, with contexts and judge that only take notes: what it looks at, and when."""

import shutil
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from konivrer_watch.core.events import Event, QueueDrained, SweepFinished
from konivrer_watch.core.model import Hint, Signature, Skip, Trigger
from konivrer_watch.core.settle import Settle, Settled
from konivrer_watch.daemon import intake as intake_module
from konivrer_watch.daemon import look as look_module
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.sweep import Swept, pause_after, sweep
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system.scan import ScanScope, Snapshot

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 10


class Notes:
    """Stands in for the workbench: contexts and judge in one, without engines."""

    def __init__(self, root: Path) -> None:
        self.root = bytes(root)
        self.reads = 0
        self.looks = 0
        self.surroundings = False
        self.kept: Collection[bytes] = ()
        self.faults = ()
        self.contexts = self.judge = self

    def scope(self) -> ScanScope:
        return ScanScope(self.root)

    def surroundings_changed(self) -> bool:
        self.looks += 1
        changed, self.surroundings = self.surroundings, False
        return changed

    def applies(self, path: bytes) -> bool:
        return path.endswith(b".py")

    async def read(self, files: Iterable[bytes]) -> None:
        self.reads += 1

    def stale(self, files: Mapping[bytes, Signature], known: Mapping[bytes, Any]) -> list[bytes]:
        return []

    def forget(self, files: Collection[bytes]) -> None:
        self.kept = set(files)


class Standing:
    """A source that stands; the test itself announces."""

    announces = True
    standing = True
    builds = 1

    def __init__(self) -> None:
        self.rebuilt = 0

    async def wait_standing(self) -> None:
        """Do nothing: it stands."""

    def rebuild_nowait(self) -> None:
        """Count."""
        self.rebuilt += 1


class Scene:
    """An intake and what surrounds it; a test plays source and runner itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes = Notes(root)
        self.inbox = Inbox()
        self.queue = Queue()
        self.events: list[Event] = []
        self.source = Standing()
        self.doubts = 0
        self.recorder = Recorder(lambda event, judgements, status: self.events.append(event))
        bench = cast(Workbench, self.notes)
        settle = Settle(quiet=0.0, cap=0.0)
        self.intake = Intake(bench, settle, self.inbox, self.queue, self.recorder, self.source, self._doubt)

    def _doubt(self) -> None:
        self.doubts += 1

    def hint(self, *paths: str) -> None:
        """Play the source."""
        self.inbox.put_nowait([Hint(path.encode()) for path in paths])

    def serve(self) -> list[Settled]:
        """Play the runner: take what is queued and be done with it at once."""
        taken: list[Settled] = []
        while batch := self.queue.take_nowait(100):
            taken += batch
            self.queue.done([entry.path for entry in batch])
            self.intake.report_progress()
        return taken

    async def queued(self, path: str) -> Settled:
        """Serve until a path was queued, and return its entry."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                for entry in self.serve():
                    if entry.path == path.encode():
                        return entry
                await anyio.sleep(0.005)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Serve until something holds."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                self.serve()
                await anyio.sleep(0.005)

    def count(self, kind: type) -> int:
        """Count events of a kind."""
        return sum(isinstance(event, kind) for event in self.events)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "tree"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\n")
    return folder


@pytest.fixture
def scene(root: Path) -> Scene:
    return Scene(root)


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    """Run the intake, from its first sweep on, for the length of the block."""
    async with anyio.create_task_group() as group:
        group.start_soon(scene.intake.run)
        await scene.queued("a.py")
        yield
        group.cancel_scope.cancel()


async def test_what_is_there_at_the_start_is_queued_and_drained(scene: Scene) -> None:
    async with running(scene):
        await scene.until(lambda: scene.recorder.status.as_of is not None)
        assert scene.recorder.status.as_of == scene.recorder.status.swept


async def test_a_hinted_change_is_queued_as_a_save_and_ends_in_a_drained_queue(scene: Scene) -> None:
    async with running(scene):
        drained = scene.count(QueueDrained)
        (scene.root / "a.py").write_text("x = 22\n")
        scene.hint("a.py")
        assert (await scene.queued("a.py")).trigger is Trigger.SAVE
        await scene.until(lambda: scene.count(QueueDrained) > drained)


async def test_a_young_file_is_queued_again_by_the_next_sweep_though_nothing_seems_to_differ(
    scene: Scene,
) -> None:
    async with running(scene):
        scene.inbox.put_nowait([Hint(None)])
        await scene.queued("a.py")


async def test_a_file_that_a_hint_named_is_young_too(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "b.py").write_text("")
        scene.hint("b.py")
        await scene.queued("b.py")
        scene.inbox.put_nowait([Hint(None)])
        await scene.queued("b.py")


async def test_a_new_folder_is_looked_at_once_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "_FOLLOW_UP_SECONDS", 0.05)
    async with running(scene):
        looks = scene.notes.looks
        (scene.root / "new").mkdir()
        scene.hint("new")
        await scene.until(lambda: scene.notes.looks > looks)
        (scene.root / "new" / "late.py").write_text("")
        with anyio.fail_after(5):
            await scene.queued("new/late.py")


async def test_a_neighbour_that_no_scan_shows_has_the_configurations_read_anew(scene: Scene) -> None:
    async with running(scene):
        reads = scene.notes.reads
        scene.notes.surroundings = True
        scene.hint("build")
        await scene.until(lambda: scene.notes.reads > reads)


async def test_an_outdated_context_is_read_anew_before_anything_is_drained(scene: Scene) -> None:
    async with running(scene):
        reads = scene.notes.reads
        scene.intake.outdate()
        assert not scene.intake.drained
        await scene.until(lambda: scene.intake.drained)
        assert scene.notes.reads == reads + 1


async def test_a_file_that_is_gone_is_forgotten_with_its_record(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "a.py").unlink()
        scene.inbox.put_nowait([Hint(None)])
        await scene.until(lambda: scene.notes.kept == set())
        assert not scene.intake.counts(b"a.py")


class SlowSweeps:
    """Sweeps that wait for leave, so that a test can act while one is under way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leave = threading.Event()
        self.begun = 0
        monkeypatch.setattr(intake_module, "sweep", self)

    def __call__(self, scope: ScanScope) -> Swept:
        self.begun += 1
        swept = sweep(scope)
        assert self.leave.wait(PATIENCE_SECONDS)
        return swept


async def synchronized(scene: Scene) -> None:
    """Return once the intake says that it is in sync, serving meanwhile."""
    async with anyio.create_task_group() as group:

        async def serve() -> None:
            while True:
                scene.serve()
                await anyio.sleep(0.005)

        group.start_soon(serve)
        with anyio.fail_after(PATIENCE_SECONDS):
            await scene.intake.synchronize()
        group.cancel_scope.cancel()


async def test_a_sync_during_a_sweep_waits_for_one_that_begins_after_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(scene):
        slow = SlowSweeps(monkeypatch)
        scene.inbox.put_nowait([Hint(None)])
        await scene.until(lambda: slow.begun == 1)
        # The sweep that is under way has passed this already.
        (scene.root / "late.py").write_text("")
        async with anyio.create_task_group() as group:
            group.start_soon(synchronized, scene)
            await anyio.sleep(0.02)
            slow.leave.set()
        assert b"late.py" in scene.intake.files
        assert slow.begun == 2


async def test_a_sync_reads_the_configurations_anew(scene: Scene) -> None:
    async with running(scene):
        await scene.until(lambda: scene.intake.drained)
        reads = scene.notes.reads
        await synchronized(scene)
        assert scene.notes.reads == reads + 1


async def test_a_sync_works_after_sweeps_that_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "DEGRADED_SECONDS", 0.01)
    async with running(scene):
        aside = scene.root.with_name("aside")
        scene.root.rename(aside)
        scene.inbox.put_nowait([Hint(None)])
        await scene.until(lambda: scene.recorder.status.root_fault is not None)
        await anyio.sleep(0.1)
        aside.rename(scene.root)
        await scene.until(lambda: scene.recorder.status.root_fault is None)
        await synchronized(scene)


async def test_a_root_that_goes_between_two_looks_ends_nothing_and_one_in_its_place_is_watched(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "DEGRADED_SECONDS", 0.01)
    async with running(scene):
        shutil.rmtree(scene.root)
        scene.hint("", "a.py", "b")
        await scene.until(lambda: scene.recorder.status.root_fault is not None)
        scene.root.mkdir()
        (scene.root / "other.py").write_text("")
        await scene.queued("other.py")
        assert scene.source.rebuilt == 1


async def test_the_targets_change_is_its_links_change_too(scene: Scene) -> None:
    (scene.root / "link.py").symlink_to("a.py")
    async with running(scene):
        await scene.until(lambda: scene.intake.drained)
        (scene.root / "a.py").write_text("x = 333\n")
        scene.hint("a.py")
        await scene.queued("link.py")


async def test_without_a_source_that_tells_sweeps_come_every_two_seconds() -> None:
    assert pause_after(0.01, alone=True) == 2.0
    assert pause_after(10.0, alone=True) == 30.0
    assert pause_after(0.01, alone=False) == 10.0
    assert pause_after(0.05, alone=False) == 50.0


async def test_a_folder_that_cannot_be_read_is_named_by_a_sweep_before_its_files_are_gone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(scene):
        await scene.until(lambda: scene.intake.drained)
        sweeps = scene.count(SweepFinished)
        closed = Snapshot({}, {}, (), frozenset(), (Skip(b"p", "Permission denied"),), 0)
        monkeypatch.setattr(look_module, "scan", lambda scope, under: closed)
        (scene.root / "p").mkdir()
        scene.hint("p")
        await scene.until(lambda: scene.count(SweepFinished) > sweeps)


async def test_an_idle_tree_is_not_swept(scene: Scene) -> None:
    async with running(scene):
        await scene.until(lambda: scene.intake.drained)
        sweeps = scene.count(SweepFinished)
        await anyio.sleep(0.3)
        assert scene.count(SweepFinished) == sweeps
