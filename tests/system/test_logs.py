"""What is put into the logs comes out as whole, stamped, harmless lines, in files that stay small and private."""

import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import LogFile
from konivrer_watch.system.logs import Echo, Logs, Severity, _lines

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING|ERROR) .*")
AUTOMATION = LogFile.AUTOMATION


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "root" / "logs"


def open_logs(folder: Path, *, max_bytes: int = 1 << 20, keep: int = 3, echo: Echo = Echo.NONE) -> Logs:
    return Logs(folder, max_bytes=max_bytes, keep=keep, echo=echo)


def texts(folder: Path, file: LogFile = AUTOMATION) -> list[str]:
    """The lines of a log without their stamps."""
    lines = (folder / file).read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    return [line.partition(" ")[2] for line in lines]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_line_has_its_time_its_severity_and_its_text(folder: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with open_logs(folder) as logs:
        logs.put_nowait(LogFile.SERVICE, Severity.ERROR, "the daemon crashed")
        assert logs.fault is None
    at, severity, text = (folder / LogFile.SERVICE).read_text().split(" ", 2)
    assert before <= datetime.fromisoformat(at) <= datetime.now(UTC)
    assert (severity, text) == ("ERROR", "the daemon crashed\n")


def test_each_line_of_a_text_is_stamped_and_empty_ones_are_left_out(folder: Path) -> None:
    with open_logs(folder) as logs:
        logs.put_nowait(AUTOMATION, Severity.INFO, "a.py  1 new\n\n  + a.py:1:1: F401\n")
        logs.put_nowait(AUTOMATION, Severity.INFO, "")
    assert texts(folder) == ["INFO a.py  1 new", "INFO   + a.py:1:1: F401"]


def test_files_and_folders_are_for_their_owner_alone(folder: Path) -> None:
    with open_logs(folder) as logs:
        logs.put_nowait(AUTOMATION, Severity.INFO, "x")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, folder / AUTOMATION)]
    assert modes == [0o700, 0o700, 0o600]


def test_nothing_is_made_before_something_is_said(folder: Path) -> None:
    with open_logs(folder):
        pass
    assert not folder.exists()


def test_a_log_is_replaced_before_it_grows_too_large_and_old_ones_are_dropped(folder: Path) -> None:
    with open_logs(folder, max_bytes=1000, keep=2) as logs:
        for number in range(100):
            logs.put_nowait(AUTOMATION, Severity.INFO, f"{number:060}")
    names = [path.name for path in sorted(folder.iterdir())]
    assert names == [AUTOMATION, f"{AUTOMATION}.1", f"{AUTOMATION}.2"]
    assert all(path.stat().st_size <= 1000 for path in folder.iterdir())
    kept = [line for name in reversed(names) for line in (folder / name).read_text().splitlines()]
    assert [int(line.split()[-1]) for line in kept] == list(range(100 - len(kept), 100))
    assert len(kept) > 20


def test_a_text_that_is_too_long_is_cut_and_says_so(folder: Path) -> None:
    with open_logs(folder) as logs:
        logs.put_nowait(AUTOMATION, Severity.INFO, "\u202e" * 1_000_000)
        logs.put_nowait(AUTOMATION, Severity.INFO, "next")
    long, after = texts(folder)
    assert long.startswith("INFO \\u202e\\u202e")
    assert long.endswith(" … (cut: too long)")
    assert after == "INFO next"


@given(
    st.text(st.characters(exclude_categories=[]), max_size=50) | st.text("a\n\x1b\ud800é", max_size=20_000)
)
def test_any_text_becomes_printable_lines_of_at_most_eight_kilobytes_in_all(text: str) -> None:
    lines = _lines(text)
    assert all(
        line and not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\ud800-\udfff]", line) for line in lines
    )
    assert sum(len(f"2026-01-01T00:00:00Z WARNING {line}\n".encode()) for line in lines) <= 8192
    if len(text) < 50:
        assert len(lines) == sum(bool(line) for line in text.split("\n"))


def test_lines_of_several_processes_stay_whole_and_none_is_lost(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from konivrer_watch.system.logs import *;"
        "from konivrer_watch.core.model import LogFile\n"
        "with Logs(Path(sys.argv[1]), max_bytes=1 << 22, keep=1) as logs:\n"
        "    for number in range(300): logs.put_nowait(LogFile.SERVICE, Severity.INFO, sys.argv[2] * 1000)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, folder, sign]) for sign in "ab"]
    assert [process.wait(20) for process in processes] == [0, 0]
    said = texts(folder, LogFile.SERVICE)
    assert sorted(said) == ["INFO " + "a" * 1000] * 300 + ["INFO " + "b" * 1000] * 300


@pytest.mark.parametrize("lines_lost", [1, 2000])
def test_putting_never_waits_and_what_found_no_room_is_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lines_lost: int
) -> None:
    gate = threading.Event()
    with open_logs(folder) as logs:
        append = logs._logs[AUTOMATION].append
        monkeypatch.setattr(logs._logs[AUTOMATION], "append", lambda lines: (gate.wait(10), append(lines)))
        logs.put_nowait(AUTOMATION, Severity.INFO, "held up")
        wait_until(logs._writers[0]._waiting.empty)
        started = time.monotonic()
        for number in range(1000 + lines_lost):
            logs.put_nowait(AUTOMATION, Severity.INFO, str(number))
        assert time.monotonic() - started < 1
        gate.set()
        wait_until(logs._writers[0]._waiting.empty)
        logs.put_nowait(AUTOMATION, Severity.INFO, "last")
    lost = "1 line" if lines_lost == 1 else "2,000 lines"
    told = f"WARNING {lost} lost: they came faster than they could be written"
    said = texts(folder)
    assert said[:2] == ["INFO held up", told]
    assert said[2:] == [f"INFO {number}" for number in range(1000)] + ["INFO last"]


@pytest.mark.parametrize(
    ("echo", "line"),
    [
        (Echo.NONE, r""),
        (Echo.BARE, r"<4>WARNING one\n<4>WARNING two\n"),
        (Echo.STAMPED, r"\S+Z WARNING one\n\S+Z WARNING two\n"),
    ],
)
def test_standard_output_gets_the_lines_with_their_time_or_for_a_journal_without(
    folder: Path, capfd: pytest.CaptureFixture[str], echo: Echo, line: str
) -> None:
    with open_logs(folder, echo=echo) as logs:
        logs.put_nowait(AUTOMATION, Severity.WARNING, "one\ntwo")
    assert re.fullmatch(line, capfd.readouterr().out)
    assert texts(folder) == ["WARNING one", "WARNING two"]
