"""Whatever ends the program, it ends within a second, leaves no child behind, and frees what it held."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.whole.program import PROGRAM, calm, crowding, gone, is_summary, run, watching

FILES = 300
SOURCE = "import os\nimport subprocess\n\n\ndef call(x):\n    subprocess.call(x, shell=True)\n\n\n# {}\n"
HEAVY = "DATA = [\n" + "    {'a': 1, 'b': [2, 3, 4 + 5]},\n" * 60 + "]\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(FILES):
        (root / f"m{number}.py").write_text(SOURCE.format(number) + HEAVY)
    return root


@pytest.fixture
def small(tmp_path: Path) -> Path:
    root = tmp_path / "small"
    root.mkdir()
    (root / "a.py").write_text("import os\n")
    return root


def state() -> Path:
    return Path(os.environ["KONIVRER_WATCH_STATE_DIR"])


def wait_for_children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The engines, as soon as there are some that judge."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        if any(is_worker(child) for child in children):
            return children
        time.sleep(0.005)
    raise AssertionError("no engine worker was started")


def is_worker(process: psutil.Process) -> bool:
    try:
        return "konivrer_watch.daemon.worker" in process.cmdline()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return False


def assert_free(root: Path) -> None:
    """Nobody holds the root, and no socket is left to mislead ``status``."""
    assert list(state().rglob("control.sock")) == []
    assert run("status", root).returncode == 3
    with watching(root) as watcher:
        watcher.wait_for(lambda line: line.startswith("konivrer-watch "))


ENDINGS = [(signal.SIGINT, 130), (signal.SIGTERM, 0)]


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_an_idle_watcher_ends_within_a_second(small: Path, number: signal.Signals, code: int) -> None:
    with watching(small) as watcher:
        watcher.wait_for(is_summary)
        children = watcher.children()
        assert children
        ended, took = watcher.end(number)
        assert (ended, watcher.errors().strip()) == (code, "")
        assert took < 1
        assert gone(children, 0.5)
    assert_free(small)


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_a_watcher_in_the_middle_of_its_first_check_ends_within_a_second(
    tree: Path, number: signal.Signals, code: int
) -> None:
    with watching(tree) as watcher:
        children = wait_for_children(watcher.process)
        ended, took = watcher.end(number)
        assert not any(is_summary(line) for line in watcher.lines), "it was done before the signal came"
        assert (ended, watcher.errors().strip()) == (code, "")
        assert took < 1
        assert gone(children, 0.5)
    assert_free(tree)


@pytest.mark.parametrize(("number", "allowed"), [(signal.SIGINT, {130, -2}), (signal.SIGTERM, {0, -15})])
@pytest.mark.parametrize("delay", [0.1, 0.3])
def test_a_watcher_that_has_just_been_started_ends_within_a_second(
    small: Path, number: signal.Signals, allowed: set[int], delay: float
) -> None:
    # Before Python has come to our first line, the signal's default action ends the process: nothing is held yet.
    with watching(small) as watcher:
        time.sleep(delay)
        ended, took = watcher.end(number)
        errors = watcher.errors()
        assert ended in allowed, errors
        assert took < 1
        assert "please report" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_interrupted_says_so_within_a_second_and_leaves_no_engine(
    tree: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [PROGRAM, "check", str(tree)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        children = wait_for_children(process)
        crowded = crowding()
        started = time.monotonic()
        process.send_signal(number)
        out, errors = process.communicate(timeout=10)
        assert time.monotonic() - started < 1 * max(crowded, crowding())
        assert (process.returncode, out, errors.strip()) == (130, b"", b"")
        assert gone(children, 0.5)


def test_no_worker_survives_a_watcher_that_was_killed(tree: Path) -> None:
    with watching(tree) as watcher:
        children = wait_for_children(watcher.process)
        watcher.process.kill()
        assert gone(children, 2)


def test_a_killed_watcher_leaves_nothing_in_the_next_ones_way(small: Path) -> None:
    with watching(small) as watcher:
        watcher.wait_for(is_summary)
        children = watcher.children()
        watcher.process.kill()
        watcher.process.wait(10)
        assert gone(children, 2)
    assert run("status", small).returncode == 3
    with watching(small) as watcher:
        watcher.wait_for(is_summary)


def test_a_watcher_whose_output_nobody_reads_still_ends_within_a_second(tree: Path) -> None:
    process = subprocess.Popen([PROGRAM, "--format", "json", str(tree)], stdout=subprocess.PIPE, env=calm())
    try:
        deadline = time.monotonic() + 20
        while run("status", "--sync", tree).returncode != 0:
            assert time.monotonic() < deadline
        crowded = crowding()
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 1.2 * max(crowded, crowding())
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_a_watcher_ends_when_the_reader_of_its_output_is_gone(small: Path) -> None:
    process = subprocess.Popen(
        [PROGRAM, str(small)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=calm()
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"konivrer-watch ")
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()
