"""``logs`` shows the last lines of the background service's logs by time, and follows them until nobody reads."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from konivrer_watch.cli.places import find_state
from konivrer_watch.core.errors import StopError
from konivrer_watch.core.model import LogFile
from tests.cli.running import invoke
from tests.whole.program import PROGRAM, run

LOADED = (
    "import sys; from click.testing import CliRunner; from konivrer_watch.cli.logs import command;"
    "CliRunner().invoke(command, sys.argv[1:], catch_exceptions=False);"
    "print({'asyncio', 'bandit', 'psutil', 'trio', 'watchfiles'} & set(sys.modules) or 'none')"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "röot with space"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(root: Path) -> Path:
    folder = find_state(root, os.environ).own / "logs"
    folder.mkdir(parents=True)
    return folder


def line(second: int, text: str) -> str:
    return f"2026-01-01T00:00:{second:02}Z {text}\n"


def write(path: Path, *lines: str) -> None:
    with path.open("a") as log:
        log.write("".join(lines))


@contextmanager
def following(root: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    with subprocess.Popen(
        [PROGRAM, "logs", "-f", *arguments, root], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def test_the_three_logs_are_merged_by_time_and_each_line_says_whose_it_is(root: Path, folder: Path) -> None:
    write(folder / LogFile.SERVICE, line(1, "INFO started"), line(5, "ERROR crashed"))
    write(
        folder / LogFile.AUTOMATION,
        line(1, "INFO checked"),
        line(2, "INFO a.py  1 new"),
        "no stamp\n",
        line(9, "x"),
    )
    write(folder / LogFile.HEAL, line(3, "INFO healed"))
    assert invoke("logs", str(root)).stdout == (
        "service     2026-01-01T00:00:01Z INFO started\n"
        "automation  2026-01-01T00:00:01Z INFO checked\n"
        "automation  2026-01-01T00:00:02Z INFO a.py  1 new\n"
        "automation  no stamp\n"
        "heal        2026-01-01T00:00:03Z INFO healed\n"
        "service     2026-01-01T00:00:05Z ERROR crashed\n"
        "automation  2026-01-01T00:00:09Z x\n"
    )


def test_one_log_is_shown_as_it_is_and_two_are_told_apart(root: Path, folder: Path) -> None:
    write(folder / LogFile.SERVICE, line(1, "INFO started"))
    write(folder / LogFile.AUTOMATION, line(2, "INFO checked"))
    write(folder / LogFile.HEAL, line(3, "INFO healed"))
    assert invoke("logs", "--service", str(root)).stdout == line(1, "INFO started")
    assert invoke("logs", "--automation", str(root)).stdout == line(2, "INFO checked")
    assert invoke("logs", "--heal", "--service", str(root)).stdout == (
        "service  2026-01-01T00:00:01Z INFO started\nheal     2026-01-01T00:00:03Z INFO healed\n"
    )


@pytest.mark.parametrize(
    ("arguments", "first"), [([], 60), (["-n", "3"], 97), (["--lines", "500"], 0), (["-n", "0"], 100)]
)
def test_as_many_of_the_last_lines_are_shown_as_were_asked_for(
    root: Path, folder: Path, arguments: list[str], first: int
) -> None:
    for number in range(100):
        file = list(LogFile)[number % 3]
        old = number < 50
        write(folder / (f"{file}.1" if old else file), line(number // 2, f"INFO line {number}"))
    shown = invoke("logs", *arguments, str(root)).stdout.splitlines()
    assert sorted(int(text.split()[-1]) for text in shown) == list(range(first, 100))


def test_what_a_log_holds_is_shown_harmlessly(root: Path, folder: Path) -> None:
    (folder / LogFile.SERVICE).write_bytes(b"2026-01-01T00:00:00Z INFO \x1b[2J\xff \xe2\x80\xae\n")
    assert (
        invoke("logs", "--service", str(root)).stdout == "2026-01-01T00:00:00Z INFO \\x1b[2J\\xff \\u202e\n"
    )


def test_without_logs_it_says_how_the_service_starts(root: Path) -> None:
    ended = invoke("logs", str(root))
    assert (ended.return_value, ended.stdout) == (0, "")
    assert ended.stderr.endswith(f"the background service starts with: konivrer-watch start '{root}'\n")


def test_a_log_without_lines_among_others_is_named(root: Path, folder: Path) -> None:
    write(folder / LogFile.SERVICE, line(1, "INFO started"))
    ended = invoke("logs", "--heal", str(root))
    assert (ended.return_value, ended.stdout) == (0, "")
    assert ended.stderr == "nothing is logged yet in auto-heal.log\n"


def test_no_event_loop_and_no_engine_is_loaded_for_it(root: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", LOADED, root], capture_output=True, text=True, check=True)
    assert ended.stdout == "none\n"


def test_following_shows_what_is_added_through_replacement_cut_and_late_birth(
    root: Path, folder: Path
) -> None:
    service, heal = folder / LogFile.SERVICE, folder / LogFile.HEAL
    write(service, line(1, "INFO old"), line(1, "INFO new"))
    with following(root, "-n", "1") as (process, output):
        assert output.readline() == "service     " + line(1, "INFO new")
        write(service, line(2, "INFO added"))
        assert output.readline() == "service     " + line(2, "INFO added")
        write(service, line(3, "INFO last"))
        service.rename(folder / f"{service.name}.1")
        write(service, line(4, "INFO first"))
        assert [output.readline() for _ in range(2)] == [
            "service     " + line(3, "INFO last"),
            "service     " + line(4, "INFO first"),
        ]
        # Shorter than before: that tells a file that was cut from one that grew.
        service.write_text(line(5, "INFO cut"))
        assert output.readline() == "service     " + line(5, "INFO cut")
        write(heal, line(6, "INFO born"))
        assert output.readline() == "heal        " + line(6, "INFO born")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_following_ends_well_when_its_reader_is_gone_though_nothing_more_is_logged(
    root: Path, folder: Path
) -> None:
    write(folder / LogFile.SERVICE, line(1, "INFO started"))
    with following(root) as (process, output):
        assert output.readline()
        output.close()
        assert process.wait(10) == 0


def test_following_begins_before_there_is_any_log(root: Path) -> None:
    with following(root, "--service") as (_, output):
        folder = find_state(root, os.environ).own / "logs"
        folder.mkdir(parents=True)
        write(folder / LogFile.SERVICE, line(1, "INFO started"))
        assert output.readline() == line(1, "INFO started")


def test_a_negative_number_of_lines_is_refused(root: Path) -> None:
    ended = run("logs", "-n", "-1", root)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"-1 is not in the range" in ended.stderr


def test_a_state_folder_that_cannot_be_looked_into_is_named(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder.parent and access(path, mode))
    with pytest.raises(StopError, match=f"the state folder {folder.parent} cannot be entered"):
        invoke("logs", str(root))


def test_what_keeps_logs_from_being_made_is_told_where_there_are_none(root: Path) -> None:
    shared = find_state(root, os.environ).shared
    shared.parent.mkdir(parents=True, exist_ok=True)
    shared.write_text("a file in the way")
    result = invoke("logs", str(root))
    assert result.return_value == 0
    assert (
        f"nothing is logged yet; the state folder {find_state(root, os.environ).own} cannot be made"
        in result.stderr
    )


def test_the_logs_of_a_root_that_is_gone_are_shown(root: Path, folder: Path) -> None:
    write(folder / LogFile.SERVICE, line(1, "INFO started"))
    root.rmdir()
    assert invoke("logs", "--service", str(root)).stdout == line(1, "INFO started")
