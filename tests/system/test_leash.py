"""The leash, between real processes and, where that may be done, between PID namespaces."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from konivrer_watch.core.errors import StopError
from konivrer_watch.system.leash import is_leashed, lay_leash, pull_leash

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="F_SETSIG is Linux's")

_HOLDER = """
import sys, time
from pathlib import Path
from konivrer_watch.system.leash import lay_leash
with lay_leash(Path(sys.argv[1])):
    print("laid", flush=True)
    time.sleep(60)
"""
_NAMESPACE = ("unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child")


@contextmanager
def holder(folder: Path, before: Sequence[str] = ()) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has laid the leash."""
    command = [*before, sys.executable, "-c", _HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"laid\n"
            yield process
        finally:
            process.kill()


def test_pulling_kills_the_process_that_laid_it(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert pull_leash(tmp_path)
        assert process.wait(5) == -signal.SIGKILL


def test_pulling_kills_a_stopped_process(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert pull_leash(tmp_path)
        assert process.wait(5) == -signal.SIGKILL


def test_pulling_kills_a_process_in_another_pid_namespace(tmp_path: Path) -> None:
    if subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces cannot be made here")
    # The first process of a namespace is immune; the shell is that one, as docker-init is in a container.
    with holder(tmp_path, (*_NAMESPACE, "sh", "-c", '"$@"; echo "ended $?"', "sh")) as process:
        assert pull_leash(tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ended 137\n"


def test_without_a_holder_nothing_is_pulled(tmp_path: Path) -> None:
    assert not is_leashed(tmp_path)
    assert not pull_leash(tmp_path)
    with lay_leash(tmp_path):
        assert is_leashed(tmp_path)
    assert not is_leashed(tmp_path)
    assert not pull_leash(tmp_path)


def test_who_only_opens_and_closes_it_harms_nobody(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_NONBLOCK, os.O_RDWR):
            os.close(os.open(tmp_path / "leash", flags))
        assert is_leashed(tmp_path)
        time.sleep(0.1)
        assert process.poll() is None


def test_one_life_after_the_other_is_killed_by_its_own_leash(tmp_path: Path) -> None:
    for _ in range(3):
        with holder(tmp_path) as process:
            assert pull_leash(tmp_path)
            assert process.wait(5) == -signal.SIGKILL


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    with lay_leash(tmp_path):
        status = (tmp_path / "leash").stat()
    assert stat.S_ISFIFO(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_something_else_under_its_name_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "leash").write_text("mine")
    with pytest.raises(StopError, match="leash"), lay_leash(tmp_path):
        raise AssertionError("it was laid")
    with pytest.raises(StopError, match="something else"):
        pull_leash(tmp_path)
    assert (tmp_path / "leash").read_text() == "mine"
