"""The daemon as a child: heard, told apart by how it ended, ended with all that it left; what dies with its parent."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import psutil
import pytest

from konivrer_watch.system.process import Child, spawn_daemon, spawn_supervisor
from konivrer_watch.system.strays import adopt_strays, children, descendants, end_strays, reap_strays

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="strays are found in /proc"),
]

SLEEP = "import time; time.sleep(60)"
# Leaves a child behind that no parent's end concerns, and ends.
LEAVES = (
    "import subprocess, sys; "
    f"subprocess.Popen([sys.executable, '-c', '{SLEEP}'], start_new_session=True, stderr=subprocess.DEVNULL)"
)


@contextmanager
def child(source: str) -> Iterator[Child]:
    """A child that runs Python, as the daemon is run."""
    ours, theirs = socket.socketpair()
    with theirs:
        started = subprocess.Popen(
            [sys.executable, "-c", source], stdin=theirs.fileno(), stderr=subprocess.PIPE, process_group=0
        )
    kept = Child(started, ours)
    try:
        yield kept
    finally:
        kept.kill_nowait()
        started.wait(10)
        kept.close()


@pytest.fixture
def _reaper() -> Iterator[None]:
    """Be the parent of what a child leaves, for one test."""
    adopt_strays()
    yield
    ctypes.CDLL(None).prctl(36, 0)


async def test_what_it_says_is_heard_and_then_its_silence() -> None:
    with child("import os; os.write(0, b'READY=1\\n')") as kept:
        with anyio.fail_after(10):
            assert await kept.hear() == b"READY=1\n"
            assert await kept.hear() == b""
            assert await kept.wait() == 0


@pytest.mark.parametrize(
    ("source", "code"),
    [("raise SystemExit(2)", 2), ("import os; os.kill(os.getpid(), 9)", -9), ("pass", 0)],
)
async def test_how_it_ended_is_told(source: str, code: int) -> None:
    with child(source) as kept, anyio.fail_after(10):
        assert await kept.wait() == code
        assert await kept.end(1) == []
        assert await kept.wait() == code


async def test_without_pidfds_it_is_waited_for_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with child(SLEEP) as kept, anyio.fail_after(10):
        with anyio.move_on_after(0.05) as scope:
            await kept.wait()
        assert scope.cancelled_caught
        assert await kept.end(5) == []
        assert await kept.wait() == -signal.SIGTERM


async def test_the_end_of_its_last_words_is_kept_however_much_it_says() -> None:
    source = "import sys; sys.stderr.write('x' * 300000 + ' the end'); sys.stderr.flush()"
    with child(source) as kept, anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(kept.collect)
            await kept.wait()
            await kept.end(1)
            group.cancel_scope.cancel()
        assert kept.last_words().endswith("x the end")
        assert len(kept.last_words()) <= 4096


async def test_what_it_says_in_its_last_moment_is_kept() -> None:
    with child("raise SystemExit('the end')") as kept, anyio.fail_after(10):
        await kept.wait()
        await kept.end(1)
        assert kept.last_words() == "the end"


async def test_it_is_told_to_end_even_where_it_is_stopped() -> None:
    with child(SLEEP) as kept, anyio.fail_after(10):
        os.kill(kept.pid, signal.SIGSTOP)
        began = anyio.current_time()
        await kept.end(5)
        assert await kept.wait() == -signal.SIGTERM
        assert anyio.current_time() - began < 4


async def test_one_that_does_not_end_is_killed_after_its_grace() -> None:
    source = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.write(0, b'x'); time.sleep(60)"
    with child(source) as kept, anyio.fail_after(10):
        await kept.hear()
        await kept.end(0.1)
        assert await kept.wait() == -signal.SIGKILL


@pytest.mark.usefixtures("_reaper")
async def test_what_it_leaves_behind_is_ended_and_reaped_with_it() -> None:
    with child(LEAVES) as kept, anyio.fail_after(10):
        assert await kept.wait() == 0
        while not (left := children()):
            await anyio.sleep(0.01)
        assert await kept.end(1) == []
        assert not any(psutil.pid_exists(pid) for pid in left)


@pytest.mark.usefixtures("_reaper")
async def test_strays_that_ended_are_reaped_but_not_the_child_that_is_spared() -> None:
    with child(SLEEP) as kept, anyio.fail_after(10):
        with subprocess.Popen([sys.executable, "-c", LEAVES]) as other:
            assert other.wait(10) == 0
        while len(strays := [pid for pid in children() if pid != kept.pid]) != 1:
            await anyio.sleep(0.01)
        assert strays[0] in descendants(os.getpid())
        os.kill(strays[0], signal.SIGKILL)
        while psutil.pid_exists(strays[0]):
            reap_strays(kept.pid)
            await anyio.sleep(0.01)
        os.kill(kept.pid, signal.SIGKILL)
        while psutil.Process(kept.pid).status() != psutil.STATUS_ZOMBIE:
            await anyio.sleep(0.01)
        reap_strays(kept.pid)
        assert await kept.wait() == -signal.SIGKILL


async def test_without_children_there_is_nothing_to_end() -> None:
    assert await end_strays() == []


def test_what_dies_with_its_parent_dies_even_while_it_is_stopped() -> None:
    inner = (
        "import os, signal, time; from konivrer_watch.system.process import die_with_parent; "
        "die_with_parent(); print(os.getpid(), flush=True); os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)"
    )
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        inner_pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(inner_pid) and psutil.Process(inner_pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_daemon_gets_the_watchdogs_interval_and_nothing_of_the_manager_that_runs_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, object] = {}

    def start(command: list[object], **options: object) -> None:
        seen.update(options, command=command)
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", start)
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_PID": "1", "WATCHDOG_USEC": "5", "PATH": "/bin"}
    opened = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="temporarily"):
        spawn_daemon(Path("/r\udcff"), 60.0, environment)
    assert seen["env"] == {"PATH": "/bin", "WATCHDOG_USEC": "60000000"}
    assert seen["cwd"] == "/"
    assert seen["command"] == [
        *(sys.executable, "-I", "-m", "konivrer_watch.cli"),
        *("_serve", "--launcher", "direct", Path("/r\udcff")),
    ]
    assert len(os.listdir("/proc/self/fd")) == opened
    with pytest.raises(OSError, match="temporarily"):
        spawn_supervisor(Path("/r"), environment)
    assert seen["env"] == {"PATH": "/bin"}
    assert (seen["start_new_session"], seen["umask"], seen["cwd"]) == (True, 0o077, "/")
