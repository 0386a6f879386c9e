"""Reading what a user's tree holds: regular files below the root, whole, and nothing else."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Signature
from konivrer_watch.system.files import (
    TooLargeError,
    UnstableError,
    is_settled,
    list_directory,
    read_file,
    read_optional,
    signature_of,
    stat_file,
)

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
NAMES = [b"a.py", b"with space.py", b"new\nline.py", b"\x1b[31m.py", b"\xff\xfe.py", "ä.py".encode()]


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "root").mkdir()
    return os.fsencode((tmp_path / "root").resolve())


def write(root: bytes, path: bytes, data: bytes = b"x = 1\n") -> bytes:
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data)
    return full


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_read_whole_with_its_signature_and_digest(root: bytes, name: bytes) -> None:
    full = write(root, b"pkg/" + name, b"x" * 5000)
    file = read_file(root, b"pkg/" + name, 5000, NOW)
    assert file.data == b"x" * 5000
    assert file.digest == sha256(file.data).digest()
    assert file.signature == signature_of(os.stat(full)) == stat_file(root, b"pkg/" + name)


def test_a_file_of_exactly_the_limit_is_read_and_one_byte_more_is_too_large(root: bytes) -> None:
    write(root, b"a.py", b"x" * 100)
    assert len(read_file(root, b"a.py", 100, NOW).data) == 100
    with pytest.raises(TooLargeError):
        read_file(root, b"a.py", 99, NOW)


def test_an_empty_file_is_read(root: bytes) -> None:
    write(root, b"a.py", b"")
    assert read_file(root, b"a.py", 0, NOW).data == b""


def test_a_link_to_a_file_in_the_root_is_read(root: bytes) -> None:
    write(root, b"a.py", b"here")
    os.symlink(b"a.py", root + b"/link.py")
    assert read_file(root, b"link.py", 100, NOW).data == b"here"


def test_nothing_is_read_through_a_link_out_of_the_root(root: bytes) -> None:
    write(root + b"/../outside", b"secret.py", b"secret")
    os.symlink(b"../outside/secret.py", root + b"/link.py")
    with pytest.raises(OSError, match="link out of the root"):
        read_file(root, b"link.py", 100, NOW)


def test_nothing_is_read_through_a_folder_that_became_a_link_out_of_the_root(root: bytes) -> None:
    write(root + b"/../outside", b"secret.py", b"secret")
    os.symlink(b"../outside", root + b"/pkg")
    with pytest.raises(OSError, match="link out of the root"):
        read_file(root, b"pkg/secret.py", 100, NOW)


def test_a_neighbour_whose_name_begins_like_the_roots_is_outside(root: bytes) -> None:
    write(root + b"-else", b"secret.py", b"secret")
    os.symlink(root + b"-else/secret.py", root + b"/link.py")
    with pytest.raises(OSError, match="link out of the root"):
        read_file(root, b"link.py", 100, NOW)


def test_a_root_that_is_reached_by_a_link_is_read(root: bytes) -> None:
    write(root, b"a.py", b"here")
    os.symlink(root, root + b"-link")
    assert read_file(root + b"-link", b"a.py", 100, NOW).data == b"here"


def test_where_the_system_does_not_tell_an_open_files_place_links_are_still_not_followed_out(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, b"a.py", b"here")
    write(root + b"/../outside", b"secret.py", b"secret")
    os.symlink(b"../outside", root + b"/pkg")
    monkeypatch.setattr("konivrer_watch.system.files._place", lambda _, full: os.path.realpath(full))
    assert read_file(root, b"a.py", 100, NOW).data == b"here"
    with pytest.raises(OSError, match="link out of the root"):
        read_file(root, b"pkg/secret.py", 100, NOW)


def test_a_fifo_or_a_directory_named_like_a_file_neither_hangs_nor_is_read(root: bytes) -> None:
    os.mkfifo(root + b"/fifo.py")
    os.mkdir(root + b"/x.py")
    for name in (b"fifo.py", b"x.py"):
        with pytest.raises(OSError, match="not a regular file"):
            read_file(root, name, 100, NOW)
        assert stat_file(root, name) is None
        assert read_optional(root + b"/" + name) is None


def test_a_file_that_is_gone_a_loop_of_links_and_a_name_with_nul_have_no_signature(root: bytes) -> None:
    os.symlink(b"loop.py", root + b"/loop.py")
    for name in (b"gone.py", b"loop.py", b"a\0b.py", b"a" * 300):
        assert stat_file(root, name) is None
        assert read_optional(root + b"/" + name) is None


def test_a_file_that_grows_while_it_is_read_is_unstable(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    full = write(root, b"a.py", b"x" * 10)
    read = os.read

    def read_and_grow(descriptor: int, size: int) -> bytes:
        part = read(descriptor, size)
        if len(part) == 10:
            with open(full, "ab") as file:
                file.write(b"y")
        return part

    monkeypatch.setattr(os, "read", read_and_grow)
    with pytest.raises(UnstableError):
        read_file(root, b"a.py", 100, NOW)


def test_no_descriptor_is_left_open_whatever_is_asked(root: bytes) -> None:
    write(root, b"a.py")
    os.mkdir(root + b"/x.py")
    before = descriptors()
    for _ in range(5):
        read_optional(root + b"/x.py")
        list_directory(root)
        for name, limit in ((b"a.py", 100), (b"a.py", 1), (b"x.py", 100), (b"gone.py", 100)):
            with suppress(OSError, TooLargeError):
                read_file(root, name, limit, NOW)
    assert descriptors() == before


def test_a_configuration_is_cut_at_the_limit(root: bytes) -> None:
    full = write(root, b"ruff.toml", b"x" * 50)
    assert read_optional(full) == b"x" * 50
    assert read_optional(full, 20) == b"x" * 20


def test_a_listing_marks_folders_and_survives_a_loop_of_links_in_it(root: bytes) -> None:
    write(root, b"pkg/__init__.py")
    write(root, b"\xff.py")
    os.symlink(b"pkg", root + b"/linked")
    os.symlink(b"loop", root + b"/loop")
    assert list_directory(root) == {b"pkg/", b"\xff.py", b"linked/", b"loop"}


def test_a_folder_that_cannot_be_listed_has_no_names(root: bytes) -> None:
    write(root, b"a.py")
    assert list_directory(root + b"/gone") == frozenset()
    assert list_directory(root + b"/a.py") == frozenset()
    assert list_directory(root + b"/a\0b") == frozenset()


@given(st.integers(0, 2 * NOW), st.integers(0, 2 * NOW), st.integers(0, 4 * SECOND))
def test_a_write_within_two_seconds_is_never_trusted(mtime: int, ctime: int, age: int) -> None:
    young = age <= 2 * SECOND
    by_ctime = is_settled(Signature(1, 1, mtime, NOW - age, 0), NOW)
    by_mtime = is_settled(Signature(1, 1, NOW - age, ctime, 0), NOW)
    assert not (young and (by_ctime or by_mtime))


@pytest.mark.parametrize(
    ("mtime", "ctime", "settled"),
    [
        (NOW - 3 * SECOND, NOW - 3 * SECOND, True),
        (NOW - 10**6 * SECOND, NOW - 3 * SECOND, True),
        (NOW + 10**6 * SECOND, NOW - 3 * SECOND, True),
        (NOW + 10**6 * SECOND, NOW + 10**6 * SECOND, False),
        (NOW - 10**6 * SECOND, NOW - SECOND, False),
    ],
    ids=["old", "dated back", "dated into the future by hand", "a clock ahead of ours", "renamed just now"],
)
def test_times_set_by_hand_do_not_keep_a_file_unsettled_for_ever(
    mtime: int, ctime: int, settled: bool
) -> None:
    assert is_settled(Signature(1, 1, mtime, ctime, 0), NOW) is settled
