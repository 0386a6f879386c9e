"""Links, special files, ignore files that cannot be used, and directories that cannot be listed."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from konivrer_watch.core.gitignore import MOST_GLOBS
from konivrer_watch.core.model import Skip
from konivrer_watch.system.scan import dispose, scan
from konivrer_watch.system.scope import LARGEST_IGNORE_FILE
from tests.system.scan_roots import fill, look, reason, scope_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = (tmp_path / "root").resolve()
    path.mkdir()
    return path


def test_a_link_to_a_file_in_the_root_counts_under_its_own_name(root: Path) -> None:
    fill(root, sub__a_py="x")
    (root / "b.py").symlink_to("sub/a.py")
    (root / "sub/link").symlink_to("..")
    found = look(root)
    assert found.links == (b"b.py",)
    assert found.files[b"b.py"] == found.files[b"sub/a.py"]
    assert found.directories == {b"", b"sub"}


def test_a_link_out_of_the_root_is_skipped_and_named(root: Path) -> None:
    fill(root.parent, outside_py="secret")
    (root.parent / "root-2").mkdir()
    (root / "a.py").symlink_to("../outside.py")
    found = look(root)
    assert found.files == {}
    assert found.skipped == (Skip(b"a.py", "symbolic link out of the root", complete=True),)
    assert reason(root, b"a.py") == "symbolic link out of the root"


def test_broken_links_loops_and_links_to_directories_do_not_count(root: Path) -> None:
    fill(root, sub__x_py="")
    (root / "broken.py").symlink_to("nowhere")
    (root / "loop.py").symlink_to("loop.py")
    (root / "dir.py").symlink_to("sub")
    found = look(root, wide=True)
    assert (set(found.files), found.skipped) == ({b"sub/x.py"}, ())
    assert reason(root, b"broken.py") == reason(root, b"loop.py") == "symbolic link to nothing"
    assert reason(root, b"dir.py") == "symbolic link to a directory"


def test_pipes_sockets_and_directories_named_like_sources_never_count(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)  # a socket's path is bounded to 107 bytes
    os.mkfifo(root / "fifo.py")
    (root / "folder.py").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.py")
        found = look(root, wide=True)
    assert (found.files, found.skipped) == ({}, ())
    assert reason(root, b"fifo.py") == "not a regular file"


@pytest.mark.parametrize("kind", ["large", "wild", "pipe", "link"])
def test_a_gitignore_that_cannot_be_used_is_named(root: Path, kind: str) -> None:
    fill(root, sub__a_py="")
    path = root / "sub/.gitignore"
    if kind == "large":
        path.write_bytes(b"a.py\n" + b"#" * LARGEST_IGNORE_FILE)
    elif kind == "wild":
        path.write_bytes(b"a.py\n" + b"x*y*z\n" * (MOST_GLOBS + 1))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        (root / "rules").write_text("a.py\n")
        path.symlink_to("../rules")
    found = look(root)
    assert b"sub/a.py" in found.files
    reasons = {"large": "larger than 1024 kB", "wild": "more than 2000 lines with wildcards"}
    reasons |= {"pipe": "not a regular file", "link": "a symbolic link"}
    assert found.skipped == (Skip(b"sub/.gitignore", f"its ignore rules are not used: {reasons[kind]}"),)


def test_a_gitignore_of_the_largest_size_is_used(root: Path) -> None:
    fill(root, a_py="")
    (root / ".gitignore").write_bytes(b"a.py\n".rjust(LARGEST_IGNORE_FILE, b"\n"))
    assert b"a.py" not in look(root).files


def test_a_directory_named_gitignore_is_a_directory(root: Path) -> None:
    (root / ".gitignore").mkdir()
    (root / ".gitignore/a.py").touch()
    assert (set(look(root).files), look(root).skipped) == ({b".gitignore/a.py"}, ())


def test_a_directory_that_cannot_be_listed_is_skipped_with_its_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, a_py="", closed__b_py="", gone__c_py="")
    monkeypatch.setattr(os, "scandir", failing_at(root))
    found = look(root)
    assert set(found.files) == {b"a.py"}
    assert found.skipped == (Skip(b"closed", "Permission denied"),)
    assert found.directories == {b""}


def failing_at(root: Path) -> object:
    """A ``scandir`` for which ``closed`` is forbidden and ``gone`` vanishes at the last moment."""
    real = os.scandir

    def scandir(path: bytes) -> object:
        if path == os.fsencode(root / "closed"):
            raise PermissionError(13, "Permission denied")
        if path == os.fsencode(root / "gone"):
            raise FileNotFoundError(2, "No such file or directory")
        return real(path)

    return scandir


def test_a_root_that_is_gone_or_no_directory_is_an_error_and_no_empty_tree(root: Path) -> None:
    fill(root, a_py="")
    for path in (root / "gone", root / "a.py"):
        with pytest.raises(OSError):
            look(path)
        with pytest.raises(OSError):
            scan(scope_of(path), b"sub")


@pytest.fixture
def deep(root: Path) -> Iterator[Path]:
    """A root to dig in, removed by a program that knows no limit of depth."""
    yield root
    subprocess.run(["rm", "-rf", str(root)], check=True, timeout=60)


def dig(root: Path, name: str, levels: int) -> None:
    """Nested directories, made one from the other because the whole path may be too long to name."""
    handle = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(os.open("a.py", os.O_CREAT, dir_fd=below))
        os.close(handle)
        handle = below
    os.close(handle)


def test_depth_costs_no_stack(deep: Path) -> None:
    dig(deep, "d", 1100)
    found = look(deep)
    assert len(found.files) == 1100
    assert dispose(scope_of(deep), max(found.files, key=len)).counts


def test_what_lies_too_deep_to_be_named_is_skipped_with_its_reason(deep: Path) -> None:
    dig(deep, "d" * 200, 30)
    found = look(deep)
    assert 0 < len(found.files) < 30
    assert {skip.reason for skip in found.skipped} == {"File name too long"}
    longest = max(found.files, key=len).removesuffix(b"a.py") + (b"d" * 200 + b"/") * 3 + b"a.py"
    assert reason(deep, longest) == "File name too long"


def test_a_scan_leaves_no_descriptor_open(root: Path) -> None:
    fill(root, a_py="", sub__b_py="")
    (root / ".gitignore").write_text("x\n")
    os.mkfifo(root / "sub/.gitignore")
    before = lowest_free_descriptor(root)
    look(root)
    assert lowest_free_descriptor(root) == before


def lowest_free_descriptor(root: Path) -> int:
    handle = os.open(root, os.O_RDONLY)
    os.close(handle)
    return handle
