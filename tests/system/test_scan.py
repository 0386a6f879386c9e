import os
import subprocess
from pathlib import Path

import pytest

from konivrer_watch.system.git import find_git
from konivrer_watch.system.scan import dispose, scan
from tests.system.scan_roots import fill, look, reason, scope_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = (tmp_path / "root").resolve()
    path.mkdir()
    return path


def test_a_signature_is_what_stat_says(root: Path) -> None:
    fill(root, pkg__a_py="x = 1\n")
    status = (root / "pkg/a.py").stat()
    found = look(root).files[b"pkg/a.py"]
    assert (found.inode, found.size, found.mtime_ns) == (status.st_ino, 6, status.st_mtime_ns)
    assert (found.ctime_ns, found.mode) == (status.st_ctime_ns, status.st_mode)


def test_an_edit_a_rename_over_and_a_chmod_each_change_the_signature(root: Path) -> None:
    fill(root, a_py="x = 1\n", b_py="x = 2\n")
    seen = [look(root).files[b"a.py"]]
    fill(root, a_py="x = 3\n")
    seen.append(look(root).files[b"a.py"])
    (root / "b.py").rename(root / "a.py")
    seen.append(look(root).files[b"a.py"])
    (root / "a.py").chmod(0o700)
    seen.append(look(root).files[b"a.py"])
    assert len(set(map(repr, seen))) == 4


def test_candidates_count_and_with_wide_every_regular_file_does(root: Path) -> None:
    fill(root, a_py="", b="", d__pyproject="")
    (root / "ruff.toml").touch()
    assert set(look(root).files) == {b"a.py", b"ruff.toml"}
    assert set(look(root, wide=True).files) == {b"a.py", b"ruff.toml", b"b", b"d/pyproject"}
    assert reason(root, b"b") == "not a Python file"


def test_names_may_be_any_bytes(root: Path) -> None:
    names = [b"\xff.py", b"a\nb.py", b"\x1b[1m.py", b" .py", b"-.py"]
    for name in names:
        os.close(os.open(os.fsencode(root) + b"/" + name, os.O_CREAT))
    assert set(look(root).files) == set(names)


def test_a_root_without_git_keeps_its_gitignore_files(root: Path) -> None:
    fill(root, a_py="", sub__b_py="", sub__c_py="")
    (root / "sub/.gitignore").write_text("b.py\n")
    assert find_git(os.fsencode(root)) is None
    assert set(look(root).files) == {b"a.py", b"sub/c.py", b"sub/.gitignore"}
    assert reason(root, b"sub/b.py") == "ignored by sub/.gitignore:1: b.py"


def test_ignore_files_are_read_anew_by_each_scan(root: Path) -> None:
    fill(root, a_py="")
    scope = scope_of(root)
    assert b"a.py" in scan(scope).files
    (root / ".gitignore").write_text("a.py\n")
    assert b"a.py" not in scan(scope).files


def test_what_is_ignored_is_counted_an_ignored_directory_as_one(root: Path) -> None:
    fill(root, build__a_py="", build__b_py="", x_py="", y_py="", readme="")
    (root / ".gitignore").write_text("build/\nx.py\nreadme\n")
    assert look(root, "y.py").ignored == 3


def test_configuration_that_is_ignored_itself_still_steers(root: Path) -> None:
    fill(root, sub__a_py="")
    (root / "sub/.gitignore").write_text("*\n")
    (root / "ruff.toml").touch()
    (root / ".gitignore").write_text("ruff.toml\n")
    found = look(root)
    assert set(found.steering) == {b"ruff.toml", b"sub/.gitignore"}
    assert set(found.files) == {b".gitignore"}
    for path in (b"ruff.toml", b"sub/.gitignore"):
        assert (dispose(scope_of(root), path).counts, dispose(scope_of(root), path).wakes) == (False, True)


def test_virtual_environments_gits_directories_and_our_own_are_not_entered(root: Path) -> None:
    fill(
        root, a_py="", env__lib__b_py="", env__pyvenv="", state__c_py="", nested__d_py="", nested__e__f_py=""
    )
    (root / "env/pyvenv").rename(root / "env/pyvenv.cfg")
    subprocess.run(["git", "init", "-q", str(root / "nested")], check=True, timeout=30)
    (root / "nested/.git/hooks/x.py").touch()
    scope = scope_of(root, never=frozenset({b"state"}))
    found = scan(scope)
    assert set(found.files) == {b"a.py", b"nested/d.py", b"nested/e/f.py"}
    assert found.directories == {b"", b"nested", b"nested/e"}
    assert dispose(scope, b"env/lib/b.py").reason == "virtual environment (pyvenv.cfg)"
    assert dispose(scope, b"env").reason == "virtual environment (pyvenv.cfg)"
    assert dispose(scope, b"env/pyvenv.cfg").wakes
    assert dispose(scope, b"state/c.py").reason == "the program's own directory"
    assert dispose(scope, b"nested/.git/hooks/x.py").reason == "git's own directory"


def test_a_root_that_is_a_virtual_environment_is_entered(root: Path) -> None:
    fill(root, a_py="")
    (root / "pyvenv.cfg").touch()
    assert set(look(root).files) == {b"a.py"}


def test_a_subtree_scan_keeps_the_rules_from_above_and_gives_paths_from_the_root(root: Path) -> None:
    fill(root, a_py="", sub__b_py="", sub__c_py="", out__d_py="")
    (root / ".gitignore").write_text("/sub/b.py\nout/\n")
    found = scan(scope_of(root), b"sub")
    assert (set(found.files), found.directories) == ({b"sub/c.py"}, frozenset({b"sub"}))
    for nothing in (b"out", b"gone", b"a.py", b"gone/deeper", b".git"):
        assert scan(scope_of(root), nothing).files == {}


def test_an_event_on_info_exclude_wakes(root: Path) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True, timeout=30)
    assert dispose(scope_of(root), b".git/info/exclude").wakes
    assert not dispose(scope_of(root), b".git/index").wakes


def test_gone_paths_and_entered_directories_wake_without_counting(root: Path) -> None:
    fill(root, sub__a_py="")
    (root / ".gitignore").write_text("out\n")
    for path in (b"", b"sub", b"gone", b"gone/a.py", b"sub/gone.py"):
        assert (dispose(scope_of(root), path).counts, dispose(scope_of(root), path).wakes) == (False, True)
    assert reason(root, b"sub/gone.py") == "does not exist"
    assert not dispose(scope_of(root), b"out/gone.py").wakes
