"""A process that is held is never mistaken for another; what it belongs to is read, and doubted where it cannot be."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from konivrer_watch.system.handle import Handle, has_open, unit_of


@pytest.fixture(params=[True, False], ids=["pidfd", "number"])
def _with_pidfds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        monkeypatch.setattr("konivrer_watch.system.handle._open", _known)


def _known(pid: int) -> None:
    os.kill(pid, 0)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("_with_pidfds")
def test_a_process_is_waited_for_until_it_ends_and_no_longer_than_said(
    sleeper: subprocess.Popen[bytes],
) -> None:
    with Handle(sleeper.pid) as handle:
        assert not handle.wait(0.05)
        handle.send(signal.SIGKILL)
        sleeper.wait(10)
        assert handle.wait(5)
        # It has ended: nothing happens.
        handle.terminate()


@pytest.mark.usefixtures("_with_pidfds")
def test_a_stopped_process_hears_that_it_is_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    with Handle(sleeper.pid) as handle:
        handle.terminate()
        assert sleeper.wait(10) == -signal.SIGTERM


@pytest.mark.usefixtures("_with_pidfds")
def test_there_is_no_handle_of_a_process_that_is_not_there(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait(10)
    with pytest.raises(ProcessLookupError):
        Handle(sleeper.pid)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="there are no pidfds here")
def test_a_handle_is_given_back(sleeper: subprocess.Popen[bytes]) -> None:
    handle = Handle(sleeper.pid)
    descriptor = handle.descriptor
    assert descriptor is not None
    handle.close()
    handle.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
def test_an_open_file_tells_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("")
    assert has_open(os.getpid(), path) is False
    with path.open():
        assert has_open(os.getpid(), path) is True
    assert has_open(os.getpid(), tmp_path / "missing") is None
    assert has_open(2**22 + 1, path) is None


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/a-b.service\n", ("a-b.service", True)),
        ("0::/system.slice/a-b.service\n", ("a-b.service", False)),
        ("12:pids:/x\n1:name=systemd:/system.slice/a.service/sub\n", ("a.service", False)),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
        ("0::/user.slice/user-1000.slice/session-1.scope\n", None),
        ("", None),
    ],
)
def test_the_unit_is_read_off_the_cgroup(
    lines: str, unit: tuple[str, bool] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, errors: lines)
    assert unit_of(1) == unit


def test_a_process_that_is_not_there_belongs_to_no_unit() -> None:
    assert unit_of(2**22 + 1) is None
