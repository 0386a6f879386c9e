"""The watchfiles source on a real tree: hints come, failures are said and got over, and it ends at once."""

import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from watchfiles._rust_notify import RustNotify

from konivrer_watch.core.model import Hint
from konivrer_watch.system import portable
from konivrer_watch.system.cookie import Cookie
from konivrer_watch.system.portable import PollingSource, PortableSource

pytestmark = pytest.mark.anyio


class Watching:
    """What a source said of a root."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.paths: list[bytes | None] = []
        self.states: list[str | None] = []
        self.cookie = Cookie(root, root + b"-state/probe")
        self.source = PortableSource(root, self.hear, self.states.append, self.cookie)

    def hear(self, hints: Iterable[Hint]) -> None:
        """Take hints."""
        self.paths += [hint.path for hint in hints]

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds."""
        with anyio.fail_after(5):
            while not condition():
                await anyio.sleep(0.01)

    async def wait_hint(self, path: bytes) -> None:
        """Return once there was a hint about the path, and forget all hints."""
        await self.wait(lambda: path in self.paths)
        self.paths.clear()

    def write(self, path: bytes, text: str = "x = 1\n") -> None:
        """Write a file."""
        with open(os.path.join(self.root, path), "w") as file:
            file.write(text)


@asynccontextmanager
async def watching(root: bytes) -> AsyncIterator[Watching]:
    """Watch a root for the length of the block."""
    seen = Watching(root)
    async with anyio.create_task_group() as group:
        group.start_soon(seen.source.run)
        yield seen
        group.cancel_scope.cancel()


async def settle_in(seen: Watching) -> None:
    """Return once the watch stands."""
    with anyio.fail_after(5):
        await seen.source.wait_standing()
    seen.paths.clear()


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "root").mkdir()
    return os.fsencode((tmp_path / "root").resolve())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_BACKOFF_SECONDS", (0.02,))
    monkeypatch.setattr(portable, "_RECOVERED_SECONDS", 0.15)
    monkeypatch.setattr(portable, "_LOOK_MS", 50)


async def test_saving_renaming_and_deleting_give_hints_about_the_paths(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        seen.write(b"a b\n.py")
        await seen.wait_hint(b"a b\n.py")
        os.rename(root + b"/a b\n.py", root + b"/b.py")
        await seen.wait_hint(b"b.py")
        os.mkdir(root + b"/pkg")
        await seen.wait_hint(b"pkg")
        seen.write(b"pkg/c.py")
        await seen.wait_hint(b"pkg/c.py")
        os.remove(root + b"/b.py")
        await seen.wait_hint(b"b.py")
        assert seen.states == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_git_writes_in_its_own_folder_gives_no_hint_and_its_ignore_file_does(root: bytes) -> None:
    os.mkdir(root + b"/.git")
    async with watching(root) as seen:
        await settle_in(seen)
        seen.write(b".git/index")
        seen.write(b".gitignore")
        await seen.wait(lambda: b".gitignore" in seen.paths)
        await anyio.sleep(0.1)
        assert {path for path in seen.paths if path is not None and path.startswith(b".git")} == {
            b".gitignore"
        }


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_root_below_a_folder_that_others_ignore_is_watched(root: bytes) -> None:
    inner = root + b"/node_modules/.tox/repository"
    os.makedirs(inner)
    async with watching(inner) as seen:
        await settle_in(seen)
        seen.write(b"a.py")
        await seen.wait_hint(b"a.py")


async def test_cancelling_ends_it_within_a_second_and_leaves_no_watching_thread(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    with anyio.fail_after(1):
        while watches():
            await anyio.sleep(0.01)
    assert not [each for each in threading.enumerate() if "notify" in each.name]


def watches() -> int:
    """Count the open inotify descriptors, where the system shows them."""
    count = 0
    for each in os.listdir("/dev/fd"):
        # The descriptor of this very listing is gone by now.
        with suppress(OSError):
            count += "inotify" in os.readlink(f"/dev/fd/{each}")
    return count


@pytest.mark.usefixtures("impatient")
async def test_a_name_that_is_no_utf8_is_said_and_got_over(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        seen.write(b"\xff.py")
        await seen.wait(lambda: len(seen.states) == 1)
        assert "Unable to decode" in str(seen.states[0])
        assert "swept instead" in str(seen.states[0])
        await seen.wait(lambda: seen.states[-1] is None)
        seen.write(b"a.py")
        await seen.wait_hint(b"a.py")


@pytest.mark.usefixtures("impatient")
async def test_a_name_that_keeps_failing_is_never_called_sound(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a busy machine keeps two of the failures apart.
    monkeypatch.setattr(portable, "_RECOVERED_SECONDS", 2.0)
    async with watching(root) as seen:
        await settle_in(seen)
        with anyio.fail_after(5):
            while len(seen.states) < 4:
                seen.write(b"\xff.py")
                await anyio.sleep(0.03)
        assert None not in seen.states


@pytest.mark.usefixtures("impatient")
async def test_a_root_that_vanishes_is_said_and_watched_again_when_it_is_back(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        shutil.rmtree(root)
        await seen.wait(lambda: "is not there" in str(seen.states[-1:]))
        assert None not in seen.states
        os.mkdir(root)
        await seen.wait(lambda: seen.states[-1] is None)
        seen.write(b"a.py")
        await seen.wait_hint(b"a.py")


@pytest.mark.usefixtures("impatient")
async def test_a_root_that_is_replaced_by_another_is_watched_again(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        os.rename(root, root + b"-old")
        os.mkdir(root)
        await seen.wait(lambda: "removed or replaced" in str(seen.states))
        await seen.wait(lambda: seen.states[-1] is None)
        seen.write(b"a.py")
        await seen.wait_hint(b"a.py")


@pytest.mark.usefixtures("impatient")
async def test_a_root_whose_own_name_is_no_utf8_is_said_and_swept(root: bytes) -> None:
    odd = root + b"/\xff"
    os.mkdir(odd)
    async with watching(odd) as seen:
        await seen.wait(lambda: bool(seen.states))
        assert "swept instead" in str(seen.states[0])


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_environment_cannot_turn_events_into_polling(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    monkeypatch.setenv("WATCHFILES_POLL_DELAY_MS", "60000")
    async with watching(root) as seen:
        await settle_in(seen)
        seen.write(b"a.py")
        await seen.wait_hint(b"a.py")


async def test_polling_says_nothing_and_waits_to_be_cancelled(root: bytes) -> None:
    seen = Watching(root)
    with anyio.move_on_after(0.1) as scope:
        await PollingSource(root, seen.hear, seen.states.append, seen.cookie).run()
    assert scope.cancelled_caught
    assert (seen.states, seen.paths) == ([], [])
    assert not PollingSource.announces


async def test_a_touched_probe_is_seen_in_the_git_folder_and_beside_the_tree_and_is_no_hint(
    root: bytes,
) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        for place in ("beside the tree", "in the git folder"):
            if place == "in the git folder":
                os.mkdir(root + b"/.git")
                await anyio.sleep(0.2)
            seen.paths.clear()
            assert await seen.cookie.touch() is None
            with anyio.fail_after(5):
                await seen.cookie.wait_seen()
            assert seen.paths == []
    assert os.path.exists(root + b"/.git/.watchman-cookie-konivrer-watch")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_state_folder_inside_the_tree_gives_no_hint_for_the_probe_either(root: bytes) -> None:
    os.makedirs(root + b"/state/probe")
    async with anyio.create_task_group() as group:
        seen = Watching(root)
        seen.cookie = Cookie(root, root + b"/state/probe")
        seen.source = PortableSource(root, seen.hear, seen.states.append, seen.cookie)
        group.start_soon(seen.source.run)
        await settle_in(seen)
        assert await seen.cookie.touch() is None
        with anyio.fail_after(5):
            await seen.cookie.wait_seen()
        assert seen.paths == []
        group.cancel_scope.cancel()


async def test_a_source_that_is_to_be_rebuilt_does_not_stand_until_it_is(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        assert seen.source.builds == 1
        seen.source.rebuild_nowait()
        assert not seen.source.standing
        with anyio.fail_after(5):
            await seen.source.wait_standing()
        assert seen.source.builds == 2
        assert seen.paths == [None]
        assert seen.states == []
        seen.write(b"a.py")
        await seen.wait_hint(b"a.py")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_source_that_is_to_be_rebuilt_while_it_is_built_does_not_stand_in_between(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0

    def build(*arguments: Any) -> RustNotify:
        nonlocal begun
        begun += 1
        time.sleep(0.1)
        return RustNotify(*arguments)

    monkeypatch.setattr(portable, "RustNotify", build)
    async with watching(root) as seen:
        await seen.wait(lambda: begun == 1)
        seen.source.rebuild_nowait()
        await settle_in(seen)
        assert (begun, seen.source.builds) == (2, 1)


@pytest.mark.usefixtures("impatient")
async def test_a_source_that_fails_does_not_stand_and_stands_when_it_is_over(root: bytes) -> None:
    async with watching(root) as seen:
        await settle_in(seen)
        os.rename(root, root + b"-away")
        await seen.wait(lambda: bool(seen.states))
        assert not seen.source.standing
        os.rename(root + b"-away", root)
        await seen.wait(lambda: seen.source.standing)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_probe_is_nobody_at_work_and_looks_come_no_faster_for_it(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a calm pace this slow, only alert looks would be quick.
    monkeypatch.setattr(portable, "_CALM_STEP_MS", 150)
    async with watching(root) as seen:
        await settle_in(seen)
        for _ in range(2):
            await seen.cookie.touch()
            started = time.monotonic()
            with anyio.fail_after(5):
                await seen.cookie.wait_seen()
            took = time.monotonic() - started
        assert took > 0.08
