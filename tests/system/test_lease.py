"""One service for each root, told by name, and nothing of a dead one in the way."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.system.lease import Held, hold_lease, look_at_lease, read_held

HOLD = """
import sys
from pathlib import Path
from konivrer_watch.system.lease import hold_lease
with hold_lease(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(lock: Path, holder: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock), holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_process_is_refused_and_told_who_holds_it_until_that_one_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "own" / "lock"
    with start_holder(lock, "process 42, since noon") as process:
        with pytest.raises(LeaseHeldError, match="by process 42, since noon"), hold_lease(lock, "me"):
            pytest.fail("two hold one lease")
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    with hold_lease(lock, "me"):
        assert lock.read_text() == "me"


def test_a_lease_ends_with_its_block_even_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold_lease(tmp_path / "lock", "me"):
        raise ZeroDivisionError
    with hold_lease(tmp_path / "lock", "me again"):
        pass


def test_a_child_of_the_holder_does_not_hold_it_on(tmp_path: Path) -> None:
    with hold_lease(tmp_path / "lock", "me"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with child, hold_lease(tmp_path / "lock", "me again"):
        child.kill()


@pytest.mark.parametrize("stale", [b"a very long holder " * 40, b"\xff\xfe\x00", b""])
def test_what_a_dead_holder_left_in_the_file_is_replaced(tmp_path: Path, stale: bytes) -> None:
    lock = tmp_path / "lock"
    lock.write_bytes(stale)
    with hold_lease(lock, "process 7"):
        assert lock.read_bytes() == b"process 7"


@pytest.mark.parametrize(
    ("text", "told"),
    [(b"\xff\xfe", "\ufffd\ufffd"), (b"\x1b[31mred\n", r"by \[31mred;"), (b"", "another process")],
)
def test_a_holders_text_cannot_harm_a_terminal_or_the_reader(tmp_path: Path, text: bytes, told: str) -> None:
    lock = tmp_path / "lock"
    with hold_lease(lock, "me"):
        lock.write_bytes(text)
        with pytest.raises(LeaseHeldError, match=told), hold_lease(lock, "second"):
            pytest.fail("two hold one lease")


def test_a_lock_that_cannot_be_made_stops_the_program_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StopError, match="file/lock cannot be made"),
        hold_lease(tmp_path / "file" / "lock", "me"),
    ):
        pytest.fail("held without a lock")


def test_the_lock_and_the_folder_made_for_it_are_the_owners_alone(tmp_path: Path) -> None:
    with hold_lease(tmp_path / "own" / "lock", "me"):
        assert stat.S_IMODE(os.stat(tmp_path / "own").st_mode) == 0o700
        assert stat.S_IMODE(os.stat(tmp_path / "own" / "lock").st_mode) == 0o600


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with (
            hold_lease(tmp_path / "lock", "me"),
            pytest.raises(LeaseHeldError),
            hold_lease(tmp_path / "lock", "x"),
        ):
            pytest.fail("two hold one lease")
    assert len(os.listdir("/dev/fd")) == before


def test_every_folder_made_for_a_lock_is_private_and_none_that_was_there_changes(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    with hold_lease(tmp_path / "shared" / "a" / "b" / "lock", "me"):
        modes = [stat.S_IMODE(os.stat(tmp_path / "shared" / part).st_mode) for part in ("", "a", "a/b")]
    assert modes == [0o755, 0o700, 0o700]


def test_a_lock_below_a_link_to_nowhere_stops_the_program(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(StopError, match="cannot be made"), hold_lease(tmp_path / "link" / "a" / "lock", "me"):
        pytest.fail("held without a lock")


def test_a_look_tells_who_holds_a_lock_and_since_when_and_leaves_it_to_them(tmp_path: Path) -> None:
    lock = tmp_path / "own" / "lock"
    assert look_at_lease(lock) is None
    before = time.time()
    with start_holder(lock, "process 42 (direct), since\x1b noon") as process:
        held = look_at_lease(lock)
        assert held is not None
        assert held.holder == "process 42 (direct), since noon"
        assert before - 1 < held.since < time.time() + 1
        with pytest.raises(LeaseHeldError), hold_lease(lock, "me"):
            pytest.fail("two hold one lease")
        process.kill()
    assert look_at_lease(lock) is None
    with hold_lease(lock, "me"):
        assert look_at_lease(lock) is not None


def test_a_lock_tells_where_its_holder_listens_and_the_holder_is_a_line(tmp_path: Path) -> None:
    lock, place = tmp_path / "lock", tmp_path / "run" / os.fsdecode(b"s\xff o\xd0\xb4")
    with hold_lease(lock, "process 7 (direct)", place):
        assert look_at_lease(lock) == Held("process 7 (direct)", lock.stat().st_mtime, place)
        with (
            pytest.raises(LeaseHeldError, match=r"by process 7 \(direct\); stop"),
            hold_lease(lock, "second"),
        ):
            pytest.fail("two hold one lease")
    with hold_lease(lock, "process 7 (direct)"):
        held = look_at_lease(lock)
        assert held is not None
        assert held.place is None


@given(st.binary(max_size=300) | st.builds(b"process 7\n%b\n".__mod__, st.binary(max_size=20)))
@example(b"process 7\nrelative\n")
@example(b"process 7\n/nul\0\n")
@example(b"process 7\n/written in p")
def test_whatever_a_locks_file_holds_the_holder_is_a_line_and_the_place_absolute(text: bytes) -> None:
    with TemporaryFile() as file:
        file.write(text)
        file.flush()
        held = read_held(file.fileno())
    assert held.holder.isprintable()
    assert held.place is None or held.place.is_absolute()
    if text in (b"process 7\nrelative\n", b"process 7\n/nul\0\n", b"process 7\n/written in p"):
        assert (held.holder, held.place) == ("process 7", None)


def test_a_look_makes_no_lock_and_changes_none(tmp_path: Path) -> None:
    assert look_at_lease(tmp_path / "none") is None
    assert os.listdir(tmp_path) == []
    (tmp_path / "lock").write_text("left behind")
    assert look_at_lease(tmp_path / "lock") is None
    assert (tmp_path / "lock").read_text() == "left behind"


def test_what_cannot_be_a_lock_is_held_by_nobody_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    assert look_at_lease(tmp_path / "fifo") is None
    assert look_at_lease(tmp_path / "folder" / "x" / "lock") is None
    assert look_at_lease(tmp_path / "folder") is None


def test_many_looks_turn_nobody_away_who_takes_the_lease(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("")
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.0002):
            look_at_lease(lock)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(100):
            with hold_lease(lock, "me"):
                pass
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
