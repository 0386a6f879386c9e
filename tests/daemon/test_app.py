"""The watcher as a whole, in this process, on a real tree with real engines."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from konivrer_watch.cli.grounds import find_place, read_packs
from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.core.errors import LeaseHeldError, UsageFault
from konivrer_watch.core.events import Event
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import begin
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import State, Status
from konivrer_watch.daemon import app, listening, upkeep
from konivrer_watch.daemon.app import Watch, watch
from konivrer_watch.daemon.ending import Ended, heed_signals
from konivrer_watch.daemon.pulling import StartupPull
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.system.control_client import Ping
from konivrer_watch.system.control_client import Status as ControlStatus
from konivrer_watch.system.control_client import request as ask
from tests.daemon.quiet_source import QuietSource
from tests.daemon.told import Told

pytestmark = pytest.mark.anyio

UNUSED = "import os\n"
SHELL = "import subprocess\nsubprocess.call(x, shell=True)\n"
# Others' load on the machine that runs the tests is not what these tests are about.
SETTINGS = Settings(resource_threshold=100, debounce_ms=10, workers=1)
RECORD = begin(None, Launcher.TERMINAL, "boot", "then")
PATIENCE_SECONDS = 20


class Watching:
    """A running watcher's last status and all that it said."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.status = Status()
        self.judged: list[Judgement] = []
        self.settings: Callable[[], Settings] = lambda: SETTINGS
        self.ended: Ended | None = None
        self.notifier = Told()

    def hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        """Take a note of everything."""
        self.status = status
        self.judged += judgements

    def request(self) -> Watch:
        """Return what to watch."""
        environment = dict(os.environ)
        folders = find_state(self.root, environment)
        return Watch(
            place=find_place(self.root, folders, environment),
            packs=read_packs(),
            settings=SETTINGS,
            folders=folders,
            socket=lambda: find_socket(folders, environment),
            reread=lambda: self.settings(),
            record=RECORD,
            pull=StartupPull(bytes(self.root), folders.own / "pull", environment, RECORD, wanted=False),
            log_fault=lambda: None,
            say_healed=lambda severity, text: None,
        )

    async def run(self) -> None:
        """Watch until the end."""
        with heed_signals() as ending:
            self.ended = await watch(self.request(), self.hear, self.notifier, ending)

    def codes(self, path: str) -> set[str]:
        """Return the codes of a file's findings."""
        file = self.status.files.get(path.encode())
        return set() if file is None else {finding.code for finding in file.findings}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once something holds of the status."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await anyio.sleep(0.01)


@asynccontextmanager
async def watching(root: Path) -> AsyncIterator[Watching]:
    """Watch a tree, from its first check on, for the length of the block."""
    seen = Watching(root)
    async with anyio.create_task_group() as group:
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None)
        yield seen
        group.cancel_scope.cancel()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small repository."""
    root = tmp_path.resolve() / "tree"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "__init__.py").write_text("")
    (root / "pkg" / "clean.py").write_text("x = 1\n")
    (root / "pkg" / "unused.py").write_text(UNUSED)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


async def test_the_first_check_finds_what_is_there(tree: Path) -> None:
    async with watching(tree) as seen:
        assert seen.codes("pkg/unused.py") == {"F401"}
        assert seen.status.state is State.WATCHING
        assert seen.status.complete


async def test_a_save_brings_its_findings_and_the_next_takes_them_back(tree: Path) -> None:
    async with watching(tree) as seen:
        (tree / "pkg" / "clean.py").write_text(UNUSED + SHELL)
        await seen.until(lambda: {"F401", "B602"} <= seen.codes("pkg/clean.py"))
        (tree / "pkg" / "clean.py").write_text("x = 1\n")
        await seen.until(lambda: not seen.codes("pkg/clean.py"))
        gone = {finding.code for judgement in seen.judged for finding in judgement.news.gone}
        assert {"F401", "B602"} <= gone


async def test_a_save_by_rename_is_one_verdict_and_no_removal(tree: Path) -> None:
    async with watching(tree) as seen:
        draft = tree / "pkg" / ".clean.py.swp"
        draft.write_text(UNUSED)
        draft.replace(tree / "pkg" / "clean.py")
        await seen.until(lambda: seen.codes("pkg/clean.py") == {"F401"})
        assert all(judgement.outcome is not None for judgement in seen.judged)


async def test_a_deleted_file_and_a_deleted_folder_are_forgotten(tree: Path) -> None:
    async with watching(tree) as seen:
        (tree / "pkg" / "unused.py").unlink()
        await seen.until(lambda: b"pkg/unused.py" not in seen.status.files)
        shutil.rmtree(tree / "pkg")
        await seen.until(lambda: not seen.status.files)


async def test_a_folder_moved_in_and_one_copied_in_are_judged(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "deep"
    outside.mkdir(parents=True)
    (outside / "mod.py").write_text(UNUSED)
    async with watching(tree) as seen:
        shutil.copytree(outside.parent, tree / "copied")
        outside.parent.rename(tree / "moved")
        await seen.until(lambda: seen.codes("moved/deep/mod.py") == {"F401"})
        await seen.until(lambda: seen.codes("copied/deep/mod.py") == {"F401"})


async def test_what_becomes_ignored_is_forgotten_and_comes_back(tree: Path) -> None:
    async with watching(tree) as seen:
        (tree / ".gitignore").write_text("unused.py\n")
        await seen.until(lambda: b"pkg/unused.py" not in seen.status.files)
        (tree / ".gitignore").unlink()
        await seen.until(lambda: seen.codes("pkg/unused.py") == {"F401"})


async def test_a_configuration_that_appears_judges_anew_what_it_governs(tree: Path) -> None:
    async with watching(tree) as seen:
        (tree / "ruff.toml").write_text('[lint]\nignore = ["F401"]\n')
        await seen.until(lambda: not seen.codes("pkg/unused.py"))
        (tree / "ruff.toml").write_text("[lint]\nno-such-key = 1\n")
        await seen.until(lambda: any(seen.status.problems))
        assert not seen.status.complete
        (tree / "ruff.toml").unlink()
        await seen.until(lambda: seen.codes("pkg/unused.py") == {"F401"} and seen.status.complete)


async def test_a_lost_root_is_said_and_one_that_comes_back_is_watched_again(tree: Path) -> None:
    async with watching(tree) as seen:
        aside = tree.with_name("aside")
        tree.rename(aside)
        await seen.until(lambda: seen.status.state is State.DEGRADED)
        shutil.copytree(aside, tree)
        (tree / "pkg" / "clean.py").write_text(UNUSED)
        await seen.until(lambda: seen.codes("pkg/clean.py") == {"F401"})
        await seen.until(lambda: seen.status.state is State.WATCHING)
        (tree / "pkg" / "clean.py").write_text("x = 2\n")
        await seen.until(lambda: not seen.codes("pkg/clean.py"))


async def test_changed_settings_end_the_watch_so_that_it_begins_anew(tree: Path) -> None:
    async with anyio.create_task_group() as group:
        seen = Watching(tree)
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None)
        seen.settings = lambda: msgspec.structs.replace(SETTINGS, exclude=("pkg",))
        (tree / "konivrer-watch.toml").write_text('exclude = ["pkg"]\n')
        with anyio.fail_after(PATIENCE_SECONDS):
            started = anyio.current_time()
            await seen.until(lambda: seen.ended is Ended.SETTINGS)
        # The file's change is what makes it look, long before the next look that is due anyway.
        assert anyio.current_time() - started < upkeep._SECONDS / 2
    assert any(word.startswith("RELOADING=1") or word == "RELOADING=1" for word in seen.notifier.words)
    assert "STOPPING=1" not in seen.notifier.words


async def test_a_signal_ends_the_watch_and_the_supervisor_is_told(tree: Path) -> None:
    async with anyio.create_task_group() as group:
        seen = Watching(tree)
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None)
        os.kill(os.getpid(), signal.SIGTERM)
        # A second one, while all is put away, does no harm.
        os.kill(os.getpid(), signal.SIGTERM)
        await seen.until(lambda: seen.ended is Ended.TERMINATED)
    assert seen.notifier.words[0] == "READY=1"
    assert "STOPPING=1" in seen.notifier.words


async def test_a_supervisor_that_is_gone_ends_the_watch(tree: Path) -> None:
    async with anyio.create_task_group() as group:
        seen = Watching(tree)
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None)
        seen.notifier.gone.set()
        await seen.until(lambda: seen.ended is Ended.ORPHANED)


async def test_a_file_system_that_announces_nothing_is_swept_and_the_reason_told(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "needs_sweeps", lambda root: "nfs4 announces no changes of other machines")
    async with watching(tree) as seen:
        answer = await anyio.to_thread.run_sync(ask, seen.request().socket(), ControlStatus(), 5.0)
        told = json.loads(answer)
        assert (told["watch"]["source"], told["healthy"]) == ("poll", True)
        assert told["watch"]["reason"] == "nfs4 announces no changes of other machines"


async def test_a_source_that_loses_its_grip_makes_the_tree_be_looked_at_now(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose = anyio.Event()

    class Slipping(QuietSource):
        async def run(self) -> None:
            await lose.wait()
            self.degraded("no watches left")
            await anyio.sleep_forever()

    monkeypatch.setattr(app, "PortableSource", Slipping)
    async with watching(tree) as seen:
        (tree / "new.py").write_text(UNUSED)
        lose.set()
        await seen.until(lambda: seen.status.source_fault == "no watches left")
        with anyio.fail_after(5):
            await seen.until(lambda: bool(seen.codes("new.py")))


async def test_faulty_settings_are_a_problem_and_those_from_before_hold(tree: Path) -> None:
    def refuse() -> Settings:
        raise UsageFault("konivrer-watch.toml: no_such: unknown key")

    async with watching(tree) as seen:
        seen.settings = refuse
        (tree / "konivrer-watch.toml").write_text("no_such = 1\n")
        await seen.until(lambda: any("no_such" in problem.message for _, _, problem in seen.status.problems))
        seen.settings = lambda: SETTINGS
        (tree / "konivrer-watch.toml").unlink()
        await seen.until(lambda: not any(seen.status.problems))
        assert seen.ended is None


async def test_a_second_watcher_of_a_root_is_refused_and_told_of_the_first(tree: Path) -> None:
    async with watching(tree) as seen:
        with pytest.raises(LeaseHeldError, match=f"process {os.getpid()}"):
            await seen.run()


async def test_a_state_folder_that_went_ends_the_watch_so_that_it_begins_anew(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_SECONDS", 0.05)
    async with anyio.create_task_group() as group:
        seen = Watching(tree)
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None)
        shutil.rmtree(seen.request().folders.shared)
        await seen.until(lambda: seen.ended is Ended.STATE_LOST)


async def test_settings_that_lie_above_the_root_are_noticed_too(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_SECONDS", 0.05)
    async with anyio.create_task_group() as group:
        seen = Watching(tree)
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None)
        seen.settings = lambda: msgspec.structs.replace(SETTINGS, max_file_kb=1)
        await seen.until(lambda: seen.ended is Ended.SETTINGS)


async def test_a_control_socket_that_went_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_LOOK_SECONDS", 0.05)
    (tmp_path / "a.py").write_text("")
    async with watching(tmp_path) as seen:
        socket = seen.request().socket()
        socket.unlink()
        with anyio.fail_after(PATIENCE_SECONDS):
            while not socket.exists():
                await anyio.sleep(0.01)
        told = await anyio.to_thread.run_sync(ask, socket, Ping(), 5.0)
        assert told == b"pong"


async def test_a_runtime_folder_that_went_leaves_a_socket_in_the_state_folder(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_LOOK_SECONDS", 0.05)
    runtime = tmp_path_factory.mktemp("runtime")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    async with watching(tmp_path) as seen:
        assert seen.request().socket().is_relative_to(runtime)
        shutil.rmtree(runtime)
        with anyio.fail_after(PATIENCE_SECONDS):
            while not seen.request().socket().exists():
                await anyio.sleep(0.01)
        assert not seen.request().socket().is_relative_to(runtime)
