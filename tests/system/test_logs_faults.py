"""No fault of a disk stops who logs; it is said while it lasts, and afterwards how much was lost."""

import errno
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from konivrer_watch.core.model import LogFile
from konivrer_watch.system import log_file
from konivrer_watch.system import logs as module
from konivrer_watch.system.logs import Echo, Logs, Severity
from tests.system.test_logs import AUTOMATION, open_logs, texts, wait_until


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A disk without room, until it is called."""
    with monkeypatch.context() as patched:

        def refuse(descriptor: int, data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patched.setattr(log_file, "_write", refuse)
        yield patched.undo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "root" / "logs"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few kilobytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def put(logs: Logs, *said: str) -> None:
    """Log each, and wait until it is written or lost."""
    for text in said:
        logs.put_nowait(AUTOMATION, Severity.INFO, text)
    settle(logs)


def settle(logs: Logs) -> None:
    """Wait until what was put is dealt with: the entries of a log are dealt with one after the other."""
    done = threading.Event()
    write = logs._write

    def mark(entry: module._Entry) -> None:
        logs._writers[0]._write = write
        done.set()

    logs._writers[0]._write = lambda entry: mark(entry) if entry.file is LogFile.HEAL else write(entry)
    logs.put_nowait(LogFile.HEAL, Severity.INFO, "settled")
    assert done.wait(10)


def test_a_full_disk_is_said_while_it_lasts_and_then_how_much_it_cost(
    folder: Path, full: Callable[[], None]
) -> None:
    with open_logs(folder) as logs:
        put(logs, "one", "two\nthree")
        assert str(logs.fault) == f"{AUTOMATION} cannot be written: No space left on device"
        full()
        put(logs, "four")
        assert logs.fault is None
    assert texts(folder) == ["WARNING 3 lines lost: No space left on device", "INFO four"]


def test_what_was_lost_is_told_even_if_nothing_more_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, full: Callable[[], None]
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.01)
    with open_logs(folder) as logs:
        put(logs, "one")
        assert logs.fault is not None
        full()
        wait_until(lambda: logs.fault is None)
    assert texts(folder) == ["WARNING 1 line lost: No space left on device"]


def test_a_line_that_a_full_disk_broke_off_does_not_swallow_the_next(small_disk: Path) -> None:
    with open_logs(small_disk) as logs:
        put(logs, *["x" * 3000] * 8)
        assert str(logs.fault) == f"{AUTOMATION} cannot be written: No space left on device"
        broken = (small_disk / AUTOMATION).read_bytes()
        assert not broken.endswith(b"\n")
        subprocess.run(["mount", "-o", "remount,size=64k", str(small_disk)], check=True)
        put(logs, "room again")
    lines = (small_disk / AUTOMATION).read_text().splitlines()
    assert "\n".join(lines[:-2]) == broken.decode()
    assert [line.partition(" ")[2] for line in lines[-2:]] == [
        "WARNING 3 lines lost: No space left on device",
        "INFO room again",
    ]


def test_a_crash_in_the_middle_of_a_line_does_not_swallow_the_next(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / AUTOMATION).write_text("2026-01-01T00:00:00Z INFO broken o")
    with open_logs(folder) as logs:
        put(logs, "next")
    assert texts(folder) == ["INFO broken o", "INFO next"]


@pytest.mark.parametrize("doing", ["file", "folder", "moved"])
def test_a_log_that_was_taken_away_is_begun_anew(folder: Path, doing: str) -> None:
    with open_logs(folder) as logs:
        put(logs, "before")
        if doing == "file":
            (folder / AUTOMATION).unlink()
        elif doing == "folder":
            shutil.rmtree(folder.parent)
        else:
            (folder / AUTOMATION).rename(folder / f"{AUTOMATION}.1")
        put(logs, "after")
        assert logs.fault is None
    assert texts(folder) == ["INFO after"]
    assert stat.S_IMODE((folder / AUTOMATION).stat().st_mode) == 0o600


@pytest.mark.parametrize("obstacle", ["folder is a file", "log is a folder", "old log is a folder"])
def test_what_is_in_the_way_is_said_and_stops_nothing(folder: Path, obstacle: str) -> None:
    folder.parent.mkdir()
    place = {
        "folder is a file": folder,
        "log is a folder": folder / AUTOMATION,
        "old log is a folder": folder / f"{AUTOMATION}.1",
    }[obstacle]
    if obstacle == "folder is a file":
        place.touch()
    else:
        place.mkdir(parents=True)
    with open_logs(folder, max_bytes=50, keep=1) as logs:
        put(logs, "one", "two", "three")
        assert str(logs.fault).startswith(f"{AUTOMATION} cannot be written: ")
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        put(logs, "four")
        assert logs.fault is None
    assert texts(folder)[-1] == "INFO four"


def test_a_fault_of_one_log_leaves_the_others_alone(folder: Path) -> None:
    (folder / AUTOMATION).mkdir(parents=True)
    with open_logs(folder) as logs:
        put(logs, "lost")
        logs.put_nowait(LogFile.SERVICE, Severity.INFO, "kept")
    assert texts(folder, LogFile.SERVICE) == ["INFO kept"]


def test_a_disk_that_hangs_holds_up_the_end_by_half_a_second_at_most(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    with open_logs(folder) as logs:
        monkeypatch.setattr(logs._logs[AUTOMATION], "append", lambda lines: gate.wait(10))
        for number in range(1500):
            logs.put_nowait(AUTOMATION, Severity.INFO, str(number))
        started = time.monotonic()
    assert time.monotonic() - started < 0.9
    gate.set()


def test_a_reader_of_standard_output_that_has_stopped_keeps_no_line_from_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    filled = os.write(writer, b"x" * 65536)
    monkeypatch.setattr(module, "_STDOUT", writer)
    with open_logs(folder, echo=Echo.STAMPED) as logs:
        put(logs, "one", "two")
        assert texts(folder) == ["INFO one", "INFO two"]
        assert len(os.read(reader, filled)) == filled
    with os.fdopen(reader) as stream:
        os.close(writer)
        assert [line.split(" ", 1)[1] for line in stream] == ["INFO one\n", "INFO two\n", "INFO settled\n"]


def test_a_reader_of_standard_output_that_went_away_is_not_missed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(module, "_STDOUT", writer)
    with open_logs(folder, echo=Echo.BARE) as logs:
        put(logs, "one", "two")
    os.close(writer)
    assert texts(folder) == ["INFO one", "INFO two"]
