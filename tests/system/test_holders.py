"""Who holds a lock is found by the kernel's word, whatever its file says, and nobody else is taken for that one."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from konivrer_watch.system.holders import find_holder, find_process, is_suspended, launcher_word
from tests.system.test_lease import start_holder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")

LOOK = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_SH)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "own" / "lock"


def test_a_holder_is_found_without_a_word_in_the_file_and_after_the_file_is_gone(lock: Path) -> None:
    assert find_holder(lock) is None
    with start_holder(lock, "process 42 (direct), since noon") as process:
        found = find_holder(lock)
        assert found is not None
        assert (found.pid, found.is_removed) == (process.pid, False)
        os.truncate(lock, 0)
        assert find_holder(lock) is not None
        lock.write_text("process 42 (direct), since noon")
        lock.unlink()
        gone = find_holder(lock)
        assert gone is not None
        assert (gone.pid, gone.is_removed) == (process.pid, True)
        assert gone.held.holder == "process 42 (direct), since noon"
        process.kill()
        process.wait(5)
    assert find_holder(lock) is None


def test_who_holds_what_is_there_now_comes_before_who_held_what_was_removed(lock: Path) -> None:
    with start_holder(lock, "old") as old:
        lock.unlink()
        with start_holder(lock, "new") as new:
            found = find_holder(lock)
            assert found is not None
            assert (found.pid, found.held.holder, found.is_removed) == (new.pid, "new", False)
            new.kill()
        old.kill()


def test_who_only_looks_or_has_it_from_another_or_is_us_holds_nothing(lock: Path) -> None:
    lock.parent.mkdir()
    lock.write_text("process 1 (direct), since noon")
    command = [sys.executable, "-c", LOOK, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as looker:
        assert looker.stdout is not None
        looker.stdout.readline()
        assert find_holder(lock) is None
        looker.kill()
    with start_holder(lock, "me") as process:
        process.kill()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        ) as heir:
            assert find_holder(lock) is None
            heir.kill()


@pytest.mark.parametrize(
    ("words", "launcher"),
    [(["_serve", "--launcher", "systemd", "/r"], "systemd"), (["--plain", "/r"], None)],
)
def test_the_launcher_is_read_off_the_command_line(words: list[str], launcher: str | None) -> None:
    command = [sys.executable, "-c", "print(flush=True); input()", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert launcher_word(process.pid) == launcher
        process.kill()
        process.wait(5)
        assert launcher_word(process.pid) is None


def test_a_process_is_found_by_its_command_line_and_a_variable_and_by_nothing_less(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"a b\xff")
    command: list[str | Path] = [sys.executable, "-c", "print(flush=True); input()", "_supervise", folder]
    environment = {**os.environ, "STATE": "/s"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert find_process(command, "STATE=/s") == process.pid
        assert find_process(["another python", *command[1:]], "STATE=/s") == process.pid
        assert find_process(command, "STATE=/") is None
        assert find_process(command[:-1], "STATE=/s") is None
        assert find_process([*command[:-1], tmp_path], "STATE=/s") is None
        process.kill()
        process.wait(5)
        assert find_process(command, "STATE=/s") is None


def test_a_process_that_is_stopped_is_seen_to_be() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not is_suspended(process.pid)
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 5
        while not is_suspended(process.pid):
            assert time.monotonic() < deadline
        process.kill()
        process.wait(5)
        assert not is_suspended(process.pid)
