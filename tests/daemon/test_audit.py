"""What a sweep finds and nothing announced is recorded; what has another explanation is not. On real trees."""

import os
import shutil
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core import hearing as hearing_module
from konivrer_watch.core.events import EventsMissed, SweepFinished
from konivrer_watch.core.model import Hint, Skip
from konivrer_watch.daemon import intake as intake_module
from konivrer_watch.daemon.sweep import Swept, sweep
from konivrer_watch.system.scan import ScanScope, Snapshot
from tests.daemon.test_intake import Scene, running

pytestmark = pytest.mark.anyio
GRACE = 0.2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(hearing_module, "GRACE", GRACE)
    root = tmp_path.resolve() / "tree"
    (root / "pkg").mkdir(parents=True)
    for name in ("a.py", "b.py", "pkg/c.py"):
        (root / name).write_text("x = 1\n")
    return Scene(root)


async def swept(scene: Scene) -> None:
    """Have the tree swept, as the clock or a wish for an answer would."""
    sweeps = scene.count(SweepFinished)
    scene.intake._wanted = scene.intake._begun + 1
    scene.inbox.wake_nowait()
    await scene.until(lambda: scene.count(SweepFinished) > sweeps)


async def after_the_grace(scene: Scene) -> list[EventsMissed]:
    """Return what was missed once time is up for all that waits."""
    for _ in range(round(GRACE * 2 / 0.02)):
        scene.serve()
        await anyio.sleep(0.02)
    return [event for event in scene.events if isinstance(event, EventsMissed)]


async def test_a_change_that_nothing_announced_is_recorded_once_and_the_source_doubted(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "b.py").write_text("x = 22\n")
        (scene.root / "pkg" / "c.py").unlink()
        (scene.root / "pkg" / "new.py").write_text("")
        await swept(scene)
        assert scene.recorder.status.degraded is None
        assert await after_the_grace(scene) == [EventsMissed(3, b"b.py")]
        assert scene.doubts == 1
        assert scene.recorder.status.missed == 3
        await swept(scene)
        assert len(await after_the_grace(scene)) == 1


async def test_a_sweep_tells_how_much_waits_to_be_announced(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "b.py").write_text("x = 22\n")
        await swept(scene)
        finished = [event for event in scene.events if isinstance(event, SweepFinished)]
        assert [event.unannounced for event in finished][-1] == 1


async def test_what_is_announced_before_or_a_little_after_the_sweep_is_not_missed(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "a.py").write_text("x = 22\n")
        (scene.root / "b.py").write_text("x = 22\n")
        scene.hint("a.py")
        await swept(scene)
        scene.hint("b.py")
        assert await after_the_grace(scene) == []


async def test_what_is_in_a_new_or_a_removed_folder_needs_no_word_of_its_own(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "new" / "deep").mkdir(parents=True)
        (scene.root / "new" / "deep" / "d.py").write_text("")
        shutil.rmtree(scene.root / "pkg")
        scene.hint("new", "pkg")
        await swept(scene)
        (scene.root / "new" / "deep" / "late.py").write_text("")
        await swept(scene)
        assert await after_the_grace(scene) == []


async def test_what_an_ignore_file_takes_away_and_gives_back_did_not_change(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "pkg" / ".gitignore").write_text("*.py\n")
        scene.hint("pkg/.gitignore")
        await scene.until(lambda: b"pkg/c.py" not in scene.intake.files)
        await after_the_grace(scene)
        (scene.root / "pkg" / ".gitignore").unlink()
        await swept(scene)
        scene.hint("pkg/.gitignore")
        assert await after_the_grace(scene) == []
        assert b"pkg/c.py" in scene.intake.files


async def test_a_file_with_several_names_changes_by_one_of_them(scene: Scene) -> None:
    (scene.root / "link.py").symlink_to("a.py")
    os.link(scene.root / "b.py", scene.root / "hard.py")
    async with running(scene):
        (scene.root / "a.py").write_text("x = 22\n")
        (scene.root / "b.py").write_text("x = 22\n")
        scene.hint("a.py", "b.py")
        await swept(scene)
        assert await after_the_grace(scene) == []


async def test_a_copy_by_links_made_and_removed_elsewhere_is_no_change_to_be_announced(
    scene: Scene, tmp_path: Path
) -> None:
    async with running(scene):
        os.link(scene.root / "a.py", tmp_path / "backup")
        await swept(scene)
        os.unlink(tmp_path / "backup")
        await swept(scene)
        assert await after_the_grace(scene) == []


@pytest.mark.parametrize("stands_again", [True, False])
async def test_what_changes_while_the_source_does_not_stand_is_not_its_fault(
    scene: Scene, stands_again: bool
) -> None:
    async with running(scene):
        scene.source.standing = False
        (scene.root / "a.py").write_text("x = 22\n")
        await swept(scene)
        if stands_again:
            scene.source.standing = True
            scene.inbox.put_nowait([Hint(None)])
        assert await after_the_grace(scene) == []


async def test_what_waits_when_the_source_falls_is_not_its_fault(scene: Scene) -> None:
    async with running(scene):
        (scene.root / "a.py").write_text("x = 22\n")
        await swept(scene)
        scene.source.standing = False
        assert await after_the_grace(scene) == []


async def test_a_folder_that_cannot_be_looked_at_for_a_while_changes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_pkg(scope: ScanScope) -> Swept:
        whole = sweep(scope)
        files = {path: each for path, each in whole.snapshot.files.items() if not path.startswith(b"pkg/")}
        seen = Snapshot(files, {}, (), frozenset(), (Skip(b"pkg", "Input/output error"),), 0)
        return Swept(seen, whole.root, whole.cost)

    async with running(scene):
        with monkeypatch.context() as patch:
            patch.setattr(intake_module, "sweep", without_pkg)
            await swept(scene)
            assert b"pkg/c.py" not in scene.intake.files
        await swept(scene)
        assert b"pkg/c.py" in scene.intake.files
        assert await after_the_grace(scene) == []


async def test_who_missed_twice_within_an_hour_is_not_relied_upon(scene: Scene) -> None:
    async with running(scene):
        pauses = []
        for number in range(2):
            (scene.root / "a.py").write_text("x = 1\n" * (number + 2))
            await swept(scene)
            assert len(await after_the_grace(scene)) == number + 1
            # The probe was seen after a clean sweep: all is well as far as it knows.
            scene.recorder.status = scene.recorder.status.__class__(swept="then", as_of="then")
            await swept(scene)
            pauses.append(scene.intake._sweep_at - anyio.current_time())
        assert pauses[0] > 5
        assert pauses[1] <= 2


async def test_without_a_source_that_announces_nothing_is_missed(scene: Scene) -> None:
    scene.source.announces = scene.source.standing = False
    async with running(scene):
        (scene.root / "a.py").write_text("x = 22\n")
        await swept(scene)
        assert await after_the_grace(scene) == []
        assert scene.intake._sweep_at - anyio.current_time() <= 2
