"""A watcher whose source falls silent, wholly or in part: it says so, sweeps, and believes it again when it hears.

The tree, the native source and the engines are real; what the native source reports is held back at its seam.
"""

import functools
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import anyio
import pytest
from watchfiles._rust_notify import RustNotify

from konivrer_watch.cli.watch import request_for, startup_pull
from konivrer_watch.core import hearing
from konivrer_watch.core.events import Event
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import State, Status
from konivrer_watch.daemon import probe, sweep
from konivrer_watch.daemon.app import watch
from konivrer_watch.daemon.ending import heed_signals
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.system import portable
from konivrer_watch.system.notify import Notifier

pytestmark = pytest.mark.anyio
INTERVAL = 1.0
GRACE = 0.5
PATIENCE_SECONDS = 20
UNUSED = "import os\n"
COOKIE = ".watchman-cookie-konivrer-watch"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


class Ears:
    """What every native source keeps to itself: paths for which ``holds_back`` is true."""

    def __init__(self) -> None:
        self.holds_back: Callable[[str], bool] = lambda name: False
        self.built = 0

    def build(
        self, paths: list[str], debug: bool, force: bool, delay: int, recursive: bool, ignore: bool
    ) -> "Muffled":
        """Stand in for the native source's constructor."""
        self.built += 1
        return Muffled(RustNotify(paths, debug, force, delay, recursive, ignore), self)


class Muffled:
    """A native source that reports what its ears let through."""

    def __init__(self, inner: RustNotify, ears: Ears) -> None:
        self._inner = inner
        self._ears = ears

    def __enter__(self) -> None:
        self._inner.__enter__()

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop: anyio.Event
    ) -> set[tuple[int, str]] | Literal["signal", "stop", "timeout"]:
        told = self._inner.watch(debounce_ms, step_ms, timeout_ms, stop)
        if isinstance(told, set):
            return {each for each in told if not self._ears.holds_back(each[1])}
        return told


class Watching:
    """A running watcher's last status, and when each state was first seen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.status = Status()
        self.states: list[State] = []

    def hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        self.status = status
        if self.states[-1:] != [status.state]:
            self.states.append(status.state)

    async def run(self) -> None:
        options = {"check_interval": INTERVAL, "resource_threshold": 100, "debounce_ms": 10, "workers": 1}
        record = ServiceRecord(Launcher.TERMINAL, "boot", "then", "then")
        with Notifier(None, None, lifeline=False) as notifier, heed_signals() as ending:
            pull = startup_pull(self.root, Settings(pull=False), record)
            await watch(request_for(self.root, options, record, pull), self.hear, notifier, ending)

    async def until(self, holds: Callable[[], bool]) -> float:
        """Return once something holds, and after how many seconds."""
        started = time.monotonic()
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await anyio.sleep(0.01)
        return time.monotonic() - started

    def finds(self, path: str) -> bool:
        """Whether anything is found in a file."""
        file = self.status.files.get(path.encode())
        return file is not None and any(file.findings)


@asynccontextmanager
async def watching(root: Path) -> AsyncIterator[Watching]:
    """Watch a tree, from the first probe that is seen on, for the length of the block."""
    seen = Watching(root)
    async with anyio.create_task_group() as group:
        group.start_soon(seen.run)
        await seen.until(lambda: seen.status.as_of is not None and seen.status.probed is not None)
        yield seen
        group.cancel_scope.cancel()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "tree"
    for name in ("a.py", "pkg/b.py", "pkg/deep/c.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")
    git(root, "init", "-q")
    return root


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Ears:
    made = Ears()
    monkeypatch.setattr(portable, "RustNotify", made.build)
    monkeypatch.setattr(hearing, "GRACE", GRACE)
    monkeypatch.setattr(probe, "GRACE", GRACE)
    return made


async def test_a_source_that_falls_silent_is_said_the_tree_swept_and_all_is_well_when_it_hears_again(
    tree: Path, ears: Ears
) -> None:
    async with watching(tree) as seen:
        ears.holds_back = lambda name: True
        took = await seen.until(lambda: seen.status.state is State.DEGRADED)
        assert took < INTERVAL + GRACE + 1
        assert "not seen to change" in str(seen.status.deaf)
        for name in ("a.py", "pkg/b.py"):
            (tree / name).write_text(UNUSED)
            took = await seen.until(functools.partial(seen.finds, name))
            assert took < sweep.DEGRADED_SECONDS + 1
        built = ears.built
        assert built > 1
        ears.holds_back = lambda name: False
        await seen.until(lambda: seen.status.state is State.WATCHING)
        (tree / "a.py").write_text("x = 1\n")
        await seen.until(lambda: not seen.finds("a.py"))


async def test_a_folder_that_is_silent_is_noticed_by_what_a_sweep_finds_in_it_and_the_watch_built_anew(
    tree: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_LEAST_SECONDS", 0.3)
    async with watching(tree) as seen:
        built = ears.built
        await seen.until(lambda: seen.status.state is State.WATCHING)
        ears.holds_back = lambda name: "/pkg/" in name and ears.built == built
        (tree / "pkg" / "b.py").write_text(UNUSED)
        await seen.until(lambda: seen.finds("pkg/b.py"))
        await seen.until(lambda: seen.status.missed == 1)
        assert seen.states[-1] is State.DEGRADED
        assert "pkg/b.py came without an event" in str(seen.status.deaf)
        await seen.until(lambda: seen.status.state is State.WATCHING)
        assert ears.built == built + 1
        (tree / "pkg" / "deep" / "c.py").write_text(UNUSED)
        await seen.until(lambda: seen.finds("pkg/deep/c.py"))
        assert seen.status.missed == 1


async def test_what_people_and_tools_do_to_a_tree_is_heard_and_nobody_is_called_deaf(
    tree: Path, ears: Ears, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_LEAST_SECONDS", 0.3)
    async with watching(tree) as seen:
        git(tree, "add", ".")
        git(tree, "commit", "-qm", "one")
        git(tree, "switch", "-qc", "other")
        for number in range(150):
            (tree / f"gen{number % 7}").mkdir(exist_ok=True)
            (tree / f"gen{number % 7}" / f"m{number}.py").write_text(UNUSED)
        git(tree, "add", ".")
        git(tree, "commit", "-qm", "two")
        git(tree, "switch", "-q", "-")
        git(tree, "switch", "-q", "other")
        shutil.copytree(tree / "gen0", tree / "copied" / "deep")
        shutil.move(tree / "gen1", tmp_path / "outside")
        shutil.move(tmp_path / "outside", tree / "pkg" / "moved")
        shutil.rmtree(tree / "gen2")
        (tree / ".gitignore").write_text("gen3/\n")
        await seen.until(lambda: seen.finds("pkg/moved/m1.py") and b"gen3/m3.py" not in seen.status.files)
        await anyio.sleep(GRACE * 1.6)
        assert (seen.status.missed, seen.status.degraded) == (0, None)
        assert State.DEGRADED not in seen.states
        assert ears.built == 1


async def test_the_probe_lies_in_gits_folder_where_git_and_the_watcher_do_not_see_it_and_goes_at_the_end(
    tree: Path, ears: Ears
) -> None:
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "one")
    async with watching(tree) as seen:
        assert (tree / ".git" / COOKIE).exists()
        assert git(tree, "status", "--porcelain", "--ignored") == ""
        judged = len(seen.status.files)
        first = seen.status.probed
        await seen.until(lambda: seen.status.probed != first)
        assert len(seen.status.files) == judged
    assert not (tree / ".git" / COOKIE).exists()
