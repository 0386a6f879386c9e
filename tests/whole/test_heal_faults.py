"""Twelve faults, and each is found and mended, or named, by one heal of a running watcher."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import anyio
import anyio.to_thread
import pytest

from konivrer_watch.core import hearing
from konivrer_watch.core.errors import EngineDiedError
from konivrer_watch.core.model import LogFile, Pass, Problem, ProblemKind, Signature, Verdict
from konivrer_watch.daemon import heal_judging, heal_tree, heal_watching, look, probe
from konivrer_watch.system import clocks, files, portable, room, scan
from konivrer_watch.system.control_client import Status, ask
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.ruff import Ruff
from konivrer_watch.system.store import VerdictStore
from tests.whole.healing import UNUSED, Healed, healing, leave_socket, old, step
from tests.whole.test_deaf import Ears

pytestmark = pytest.mark.anyio
CLEAN = Verdict()
ASIDE = Verdict(problem=Problem(ProblemKind.QUARANTINED, "the engine worker ended with SIGABRT", "set aside"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small repository, with a runtime folder for its user."""
    root = tmp_path.resolve() / "tree"
    root.mkdir()
    (root / "a.py").write_text(UNUSED)
    (root / "b.py").write_text("import subprocess\nsubprocess.call(x, shell=True)\n")
    (root / "c.py").write_text("x = 1\n")
    for path in root.iterdir():
        old(path)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    # A file's change time, which cannot be set, makes it too young to be remembered for two seconds.
    monkeypatch.setattr(files, "_RACY_NS", 1_000_000)
    monkeypatch.setattr(heal_watching, "_PATIENCE_SECONDS", 0.5)
    return root


async def in_order(seen: Healed) -> None:
    """A further heal has nothing to do, and every verdict is right."""
    await seen.until(lambda: seen.codes("a.py") == {"F401"} and {"B602", "F821"} <= seen.codes("b.py"))
    heal = await seen.heal()
    assert (heal.found, heal.mended) == (0, 0), heal


async def mended(seen: Healed, name: str, words: str) -> None:
    """One heal finds and mends exactly one thing, and says which."""
    heal = await seen.heal()
    assert (heal.found, heal.mended) == (1, 1), heal
    (told,) = step(heal, name).mended
    assert words in told
    assert any(words in line for line in seen.said)


async def named(seen: Healed, name: str, words: str) -> None:
    """One heal finds exactly one thing that it cannot mend, and says why."""
    heal = await seen.heal()
    assert (heal.found, heal.mended) == (1, 0), heal
    (told,) = step(heal, name).unmended
    assert words in told.what
    assert told.why
    assert any("not mended" in line for line in seen.said)


async def test_a_watcher_that_is_well_has_nothing_to_mend_and_says_so_in_a_line(tree: Path) -> None:
    async with healing(tree) as seen:
        await in_order(seen)
        (line,) = seen.said
        assert line.startswith("heal: nothing to mend, ")
        assert seen.status.healed is not None


@pytest.mark.parametrize("name", ["state.db", "verdicts.db"])
async def test_corrupt_store(tree: Path, name: str) -> None:
    async with healing(tree) as seen:
        folders = seen.folders
        path = (folders.own if name == "state.db" else folders.shared) / name
        await anyio.to_thread.run_sync(spoil, path)
        await mended(seen, "store", f"set aside as {name}.aside")
        await in_order(seen)


def spoil(path: Path) -> None:
    for each in (path, path.with_name(path.name + "-wal")):
        with each.open("r+b") as file:
            file.write(b"\xa5" * max(each.stat().st_size, 8192))


async def test_poisoned_verdict(tree: Path) -> None:
    async with healing(tree) as seen:
        poison(seen, "a.py", Pass.LINT)
        await mended(seen, "verdicts", "lint: what is stored of a.py")
        await in_order(seen)


async def test_poisoned_verdict_that_was_believed(tree: Path) -> None:
    async with healing(tree) as seen:
        await in_order(seen)
        poison(seen, "b.py", Pass.SECURITY)
    async with healing(tree) as seen:
        assert "B602" not in seen.codes("b.py")
        await mended(seen, "verdicts", "security: what is stored of b.py")
        await in_order(seen)


@pytest.mark.parametrize("store_is", ["emptied", "repaired"])
async def test_poisoned_verdict_that_is_only_shown(tree: Path, store_is: str) -> None:
    async with healing(tree) as seen:
        await in_order(seen)
        right = seen.status.files[b"b.py"].verdicts[Pass.SECURITY]
        poison(seen, "b.py", Pass.SECURITY)
    async with healing(tree) as seen:
        assert "B602" not in seen.codes("b.py")
        if store_is == "repaired":
            poison(seen, "b.py", Pass.SECURITY, right)
        else:
            forget(seen, "b.py", Pass.SECURITY)
        await mended(seen, "verdicts", "security: what is shown of b.py")
        await in_order(seen)


async def test_verdicts_for_which_the_time_did_not_suffice_are_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with healing(tree) as seen:
        await in_order(seen)
        monkeypatch.setattr(heal_judging, "_ENGINE_BATCH", 1)
        monkeypatch.setattr(heal_judging, "_ENGINE_SECONDS", 0.0)
        passes = len(seen.status.files[b"a.py"].keys)
        await named(seen, "verdicts", f"only {passes} of {3 * passes} verdicts could be proven")


async def test_verdicts_to_which_an_engine_has_no_answer_are_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Ruff, root: bytes, jobs: object) -> NoReturn:
        raise EngineDiedError("ruff ended with SIGKILL")

    async with healing(tree) as seen:
        await in_order(seen)
        passes = len(seen.status.files[b"a.py"].keys)
        with monkeypatch.context() as broken:
            broken.setattr(Ruff, "check", fail)
            heal = await seen.heal()
        (told,) = step(heal, "verdicts").unmended
        assert told.what == f"only {3 * passes - 3} of {3 * passes} verdicts could be proven"
        assert "SIGKILL" in told.why
        assert seen.codes("a.py") == {"F401"}
        await in_order(seen)


def forget(seen: Healed, path: str, pass_: Pass) -> None:
    store = VerdictStore(seen.folders.shared / "verdicts.db")
    store.forget([seen.status.files[path.encode()].keys[pass_]])
    store.close()


def poison(seen: Healed, path: str, pass_: Pass, verdict: Verdict = CLEAN) -> None:
    key = seen.status.files[path.encode()].keys[pass_]
    store = VerdictStore(seen.folders.shared / "verdicts.db")
    store.put({key: verdict})
    store.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "had ended with SIGKILL"), (signal.SIGSTOP, "was silent for 0.5 s")],
)
async def test_killed_worker_and_hung_worker(tree: Path, number: signal.Signals, words: str) -> None:
    async with healing(tree) as seen:
        (worker,) = seen.workers()
        worker.send_signal(number)
        await mended(seen, "workers", f"engine worker {worker.pid} {words}")
        (tree / "c.py").write_text("import subprocess\nsubprocess.call(y, shell=True)\n")
        await seen.until(lambda: "B602" in seen.codes("c.py"))
        assert [each.pid for each in seen.workers()] != [worker.pid]
        old(tree / "c.py")
        await in_order(seen)


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Ears:
    """Return the ears of every native source; a deaf one is known as such within half a second."""
    made = Ears()
    monkeypatch.setattr(portable, "RustNotify", made.build)
    monkeypatch.setattr(hearing, "GRACE", 0.5)
    monkeypatch.setattr(probe, "GRACE", 0.5)
    return made


async def test_lost_watch(tree: Path, ears: Ears) -> None:
    async with healing(tree) as seen:
        lost = ears.built
        ears.holds_back = lambda name: ears.built == lost
        await mended(seen, "watch", "was not seen to change")
        assert ears.built == lost + 1
        await in_order(seen)


async def test_lost_watch_that_stays_lost(tree: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heal_watching, "_HEAR_SECONDS", 1.5)
    async with healing(tree) as seen:
        ears.holds_back = lambda name: True
        await named(seen, "watch", "was not seen to change")


async def test_exhausted_watches(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with healing(tree) as seen:
        limit = tmp_path / "limit"
        limit.write_text(f"{room.watches_in_use()}\n")
        monkeypatch.setattr(room, "_INOTIFY_LIMITS", (bytes(limit),))
        await named(seen, "watches", "inotify watches that this user may have are in use")
        limit.write_text("10000000\n")
        await in_order(seen)


@pytest.mark.parametrize("place", ["own", "another root's"])
async def test_stale_socket(tree: Path, tmp_path: Path, place: str) -> None:
    async with healing(tree) as seen:
        folder = (
            seen.folders.own if place == "own" else tmp_path / "runtime" / "konivrer-watch" / "0123456789ab"
        )
        leave_socket(folder / "control.sock")
        await mended(seen, "leftovers", "a control socket at which nobody listens")
        assert not (folder / "control.sock").exists()
        assert seen.socket.exists()
        await in_order(seen)


async def test_stale_journal(tree: Path) -> None:
    async with healing(tree) as seen:
        entry = seen.folders.own / "journal" / "17"
        entry.parent.mkdir()
        entry.write_text("a file of the user's, as it was\n")
        old(entry)
        await named(seen, "leftovers", "journal entry")
        assert entry.exists()


@pytest.mark.parametrize("name", ["service.json.99999", "probe/.watchman-cookie-konivrer-watch"])
async def test_orphan_temp_file(tree: Path, name: str) -> None:
    async with healing(tree) as seen:
        path = seen.folders.own / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
        old(path)
        others = set(os.listdir(seen.folders.own)) - {name}
        await mended(seen, "leftovers", path.name)
        assert not path.exists()
        assert others <= set(os.listdir(seen.folders.own))
        await in_order(seen)


@pytest.fixture
def small_disk(tree: Path) -> Iterator[Callable[[Path], None]]:
    """Return what mounts a disk of a few kilobytes on a folder."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a small disk cannot be mounted here: {error}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_full_log_disk(tree: Path, small_disk: Callable[[Path], None]) -> None:
    async with healing(tree) as seen:
        folder = seen.folders.own / "logs"
        small_disk(folder)
        (folder / "full").write_bytes(b"x" * (16 << 10))
        await named(seen, "logs", "No space left on device")
        (folder / "full").unlink()
        await in_order(seen)


async def test_missing_log_folder(tree: Path) -> None:
    async with healing(tree) as seen:
        shutil.rmtree(seen.folders.own / "logs")
        await mended(seen, "logs", "was missing")
        seen.logs.put_nowait(LogFile.AUTOMATION, Severity.INFO, "again")
        await seen.until((seen.folders.own / "logs" / LogFile.AUTOMATION).exists)
        await in_order(seen)


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
async def test_clock_jump(tree: Path, jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async with healing(tree) as seen:
        swept = seen.status.swept
        turned = SimpleNamespace(time=lambda: time.time() + jump, clock_gettime=time.clock_gettime)
        monkeypatch.setattr(clocks, "time", turned)
        way = "forward" if jump > 0 else "back"
        await mended(seen, "clock", f"the clock was set {way} by 7,200 s")
        await seen.until(lambda: seen.status.swept != swept)
        await in_order(seen)


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the file system forget times, as one of a coarse or a turned clock does: a size tells all."""

    def without_times(status: os.stat_result) -> Signature:
        return Signature(status.st_ino, status.st_size, 0, 0, status.st_mode)

    for module in (files, look, scan):
        monkeypatch.setattr(module, "signature_of", without_times)


async def test_an_edit_that_left_no_trace_in_the_times_is_found_and_judged(
    tree: Path, timeless: None
) -> None:
    (tree / "c.py").write_text("y = 12345\n")
    async with healing(tree) as seen:
        with (tree / "c.py").open("r+") as file:
            file.write(UNUSED)
        await anyio.to_thread.run_sync(ask, [seen.socket], Status(sync=True), 30.0)
        assert seen.codes("c.py") == set()
        await mended(seen, "tree", "c.py changed without a trace in its times")
        await seen.until(lambda: seen.codes("c.py") == {"F401"})
        await in_order(seen)


async def test_a_file_that_was_set_aside_and_passes_now_is_judged_again(tree: Path) -> None:
    async with healing(tree) as seen:
        await in_order(seen)
        poison(seen, "b.py", Pass.SECURITY, ASIDE)
    async with healing(tree) as seen:
        assert seen.status.quarantined == 1
        await mended(seen, "quarantine", "b.py was set aside by security")
        await seen.until(lambda: seen.status.quarantined == 0)
        await in_order(seen)


async def test_what_the_tree_step_found_until_its_time_was_over_counts(
    tree: Path, timeless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads one file, and rests longer than its time."""
    monkeypatch.setattr(heal_tree, "_BATCH", 1)
    monkeypatch.setattr(heal_tree, "_REST", 1e6)
    monkeypatch.setattr(heal_tree, "_SECONDS", 0.5)
    for path in (tree / "a.py", tree / "b.py"):
        path.unlink()
    (tree / "c.py").write_text("y = 12345\n")
    (tree / "d.py").write_text("y = 12345\n")
    async with healing(tree) as seen:
        for name in ("c.py", "d.py"):
            with (tree / name).open("r+") as file:
                file.write(UNUSED)
        heal = await seen.heal()
        told = step(heal, "tree")
        assert [each.what for each in told.unmended] == ["only 1 of 2 files were read"]
        (line,) = told.mended
        assert "py changed without a trace in its times" in line
        await seen.until(lambda: {"F401"} in (seen.codes("c.py"), seen.codes("d.py")))


async def test_files_that_were_set_aside_and_could_not_be_tried_in_time_are_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with healing(tree) as seen:
        await in_order(seen)
        for name in ("a.py", "b.py", "c.py"):
            poison(seen, name, Pass.SECURITY, ASIDE)
    monkeypatch.setattr(heal_judging, "_QUARANTINE_SECONDS", 0.0)
    async with healing(tree) as seen:
        heal = await seen.heal()
        told = step(heal, "quarantine")
        assert [each.what for each in told.unmended] == [
            "2 of 3 files that were set aside could not be tried"
        ]
        assert len(told.mended) == 1
        await seen.until(lambda: seen.status.quarantined == 2)


async def test_a_file_that_an_engine_cannot_survive_stays_set_aside_and_is_named(tree: Path) -> None:
    """ruff overruns its stack on some thousands of chained attributes."""
    (tree / "c.py").write_text("a" + ".b" * 20_000 + "\n")
    async with healing(tree) as seen:
        assert seen.status.quarantined == 1
        heal = await seen.heal()
        assert heal.mended == 0
        told = step(heal, "quarantine").unmended
        assert "c.py was set aside by lint" in [each.what for each in told]
        assert len(told) == heal.found
        assert seen.status.quarantined == 1
