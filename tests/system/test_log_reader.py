"""Whoever follows a log gets every line once and in order, however the log is replaced meanwhile."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.system.log_file import RotatingLog
from konivrer_watch.system.log_reader import LogReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


@pytest.fixture
def reader(path: Path) -> Iterator[LogReader]:
    with closing(LogReader(path)) as reader:
        yield reader


def lines(first: int, beyond: int) -> list[bytes]:
    return [b"line %d" % number for number in range(first, beyond)]


def written(first: int, beyond: int) -> bytes:
    return b"".join([line + b"\n" for line in lines(first, beyond)])


def test_a_log_that_is_not_there_has_no_lines_until_it_is(path: Path, reader: LogReader) -> None:
    assert reader.last(40) == []
    assert reader.more() == []
    path.write_bytes(written(0, 2))
    assert reader.more() == lines(0, 2)
    assert reader.more() == []


@pytest.mark.parametrize("number", [0, 1, 7, 9_999, 10_000, 20_000])
def test_the_last_lines_are_the_last_ones_of_any_file(path: Path, reader: LogReader, number: int) -> None:
    path.write_bytes(written(0, 10_000))
    assert reader.last(number) == lines(max(10_000 - number, 0), 10_000)


@pytest.mark.parametrize("number", [3, 10, 11, 25, 40])
def test_older_files_are_read_where_the_lines_are_there(path: Path, reader: LogReader, number: int) -> None:
    path.with_name("a.log.2").write_bytes(written(0, 10))
    path.with_name("a.log.1").write_bytes(written(10, 20))
    path.write_bytes(written(20, 30))
    assert reader.last(number) == lines(max(30 - number, 0), 30)


def test_older_files_are_read_while_the_present_one_is_missing(path: Path, reader: LogReader) -> None:
    path.with_name("a.log.1").write_bytes(written(0, 10))
    assert reader.last(5) == lines(5, 10)


def test_a_big_log_is_not_read_from_its_start(path: Path, reader: LogReader) -> None:
    with path.open("wb") as log:
        log.truncate(1 << 40)
        log.seek(1 << 40)
        log.write(b"\n" + written(0, 50))
    assert reader.last(40) == lines(10, 50)


def test_a_line_is_told_when_it_is_whole(path: Path, reader: LogReader) -> None:
    path.write_bytes(b"one\ntw")
    assert reader.last(40) == [b"one"]
    assert reader.more() == []
    with path.open("ab") as log:
        log.write(b"o\nthree")
    assert reader.more() == [b"two"]


def test_a_log_that_was_cut_is_read_from_its_start(path: Path, reader: LogReader) -> None:
    path.write_bytes(written(0, 10))
    reader.last(0)
    path.write_bytes(b"new\n")
    assert reader.more() == [b"new"]


def test_a_log_that_was_removed_and_made_anew_is_read_from_its_start(path: Path, reader: LogReader) -> None:
    path.write_bytes(written(0, 10))
    reader.last(0)
    path.unlink()
    assert reader.more() == []
    path.write_bytes(written(0, 20))
    assert reader.more() == lines(0, 20)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_has_no_lines(path: Path, reader: LogReader, kind: str) -> None:
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    assert reader.last(40) == []
    assert reader.more() == []


@given(
    st.lists(st.integers(0, 12), max_size=30),
    st.integers(20, 200),
    st.integers(0, 60),
)
def test_a_follower_gets_each_line_once_and_in_order(bursts: list[int], max_bytes: int, number: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.log")
        log = RotatingLog(path, max_bytes, 50)
        said = 0
        with closing(LogReader(path)) as reader, closing(log):
            heard = reader.last(number)
            for burst in bursts:
                for _ in range(burst):
                    log.append(b"line %d\n" % said)
                    said += 1
                heard += reader.more()
                assert heard == lines(0, said)
            with closing(LogReader(path)) as late:
                assert late.last(number) == lines(max(said - number, 0), said)


def test_a_follower_keeps_up_with_a_log_that_is_written_and_replaced_at_the_same_time(
    path: Path, reader: LogReader
) -> None:
    log = RotatingLog(path, 2000, 500)
    heard = reader.last(40)

    def write() -> None:
        for number in range(5000):
            log.append(b"line %d\n" % number)

    with closing(log), ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            heard += reader.more()
        writing.result()
    assert heard + reader.more() == lines(0, 5000)
