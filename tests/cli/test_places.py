"""Where things are: roots without links, state outside the tree, rules that ship with the program."""

import os
from pathlib import Path

import pytest

import konivrer_watch
from konivrer_watch.cli import places
from konivrer_watch.cli.grounds import find_place, read_packs
from konivrer_watch.cli.places import (
    find_known_root,
    find_root,
    find_socket,
    find_sockets,
    find_state,
    name_root,
)
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.system.lease import hold_lease


def test_a_root_is_absolute_and_free_of_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert find_root("link") == find_root("real") == (tmp_path / "real").resolve()
    assert find_root(".") == tmp_path.resolve()


def test_a_path_through_a_file_or_a_loop_is_a_fault_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageFault, match=r"a\.py/b: Not a directory"):
        find_root(f"{tmp_path}/a.py/b")
    with pytest.raises(UsageFault, match="loop: "):
        find_root(f"{tmp_path}/loop")
    with pytest.raises(UsageFault, match=r"^a\\x00b: .*(null byte|null character|there is no such folder)"):
        find_root("a\0b")


def test_a_fault_shows_a_path_escaped() -> None:
    with pytest.raises(UsageFault) as caught:
        find_root("no\x1b\n\u202ewhere")
    assert str(caught.value) == "no\\x1b\\x0a\\u202ewhere: there is no such folder"


def test_a_root_that_is_gone_is_known_as_long_as_its_state_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, environment = tmp_path.resolve() / "дом", {"KONIVRER_WATCH_STATE_DIR": str(tmp_path / "state")}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageFault, match="there is no such folder"):
        find_known_root("дом", environment)
    root.mkdir()
    assert find_known_root("дом", environment) == root
    find_state(root, environment).own.mkdir(parents=True)
    root.rmdir()
    assert find_known_root("дом/", environment) == find_known_root(str(root), environment) == root
    root.write_text("a file now")
    assert find_known_root("дом", environment) == root


def test_a_root_that_is_gone_is_named_from_where_one_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path.resolve() / "root"
    root.mkdir()
    (tmp_path / "link").symlink_to("root")
    monkeypatch.chdir(root)
    root.rmdir()
    assert name_root(".", {"PWD": str(root)}) == name_root(str(tmp_path / "link"), {}) == root
    assert name_root("sub", {"PWD": str(root)}) == root / "sub"
    with pytest.raises(UsageFault, match=r"^a\\x00b: "):
        name_root("/a\0b".removeprefix("/"), {"PWD": str(root)})


def test_roots_have_states_of_their_own_even_if_they_are_named_alike(tmp_path: Path) -> None:
    environment = {"KONIVRER_WATCH_STATE_DIR": "/s"}
    one, two = (find_state(Path(root), environment) for root in ("/a/app", "/b/app"))
    assert one.shared == two.shared == Path("/s")
    assert one.own != two.own
    assert one.own.parent == Path("/s")
    assert one.own.name.startswith("app-")
    assert find_state(Path("/a/app"), environment) == one


@pytest.mark.parametrize("name", [b"new\nline", b"inv\xff", b"\xd0\xb4\xd0\xbe\xd0\xbc", b"x" * 255, b"-x y"])
def test_the_states_name_is_a_plain_and_short_file_name(name: bytes) -> None:
    own = find_state(Path(os.fsdecode(b"/r/" + name)), {"KONIVRER_WATCH_STATE_DIR": "/s"}).own
    assert len(os.fsencode(own.name)) <= 200
    assert "\n" not in own.name
    assert "/" not in own.name


def test_the_root_of_the_file_system_has_a_state_too() -> None:
    assert find_state(Path("/"), {"KONIVRER_WATCH_STATE_DIR": "/s"}).own.name.startswith("root-")


def test_without_a_variable_state_lives_below_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert find_state(Path("/r"), {}).shared.is_relative_to(tmp_path)


def test_the_socket_is_in_the_runtime_folder_where_there_is_one(tmp_path: Path) -> None:
    folders = find_state(Path("/a/app"), {"KONIVRER_WATCH_STATE_DIR": "/s"})
    mark = folders.own.name.rpartition("-")[2]
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert find_socket(folders, runtime) == tmp_path / "konivrer-watch" / mark / "control.sock"
    assert find_socket(folders, {"XDG_RUNTIME_DIR": str(tmp_path / "none")}) == folders.own / "control.sock"
    assert find_socket(folders, {}) == folders.own / "control.sock"


def test_a_runtime_folder_of_another_user_or_without_a_place_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = find_state(Path("/a/app"), {"KONIVRER_WATCH_STATE_DIR": "/s"})
    monkeypatch.chdir(tmp_path)
    assert find_socket(folders, {"XDG_RUNTIME_DIR": "."}) == folders.own / "control.sock"
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    assert find_socket(folders, {"XDG_RUNTIME_DIR": str(tmp_path)}) == folders.own / "control.sock"


def test_the_socket_is_looked_for_wherever_another_environment_would_have_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = find_state(Path("/a/app"), {"KONIVRER_WATCH_STATE_DIR": "/s"})
    monkeypatch.setattr(places, "_RUNTIME_FOLDERS", str(tmp_path))
    usual = tmp_path / str(os.geteuid())
    assert find_sockets(folders, {}) == (folders.own / "control.sock",)
    usual.mkdir()
    runtime = find_socket(folders, {"XDG_RUNTIME_DIR": str(usual)})
    other = find_socket(folders, {"XDG_RUNTIME_DIR": str(tmp_path)})
    own = folders.own / "control.sock"
    assert find_sockets(folders, {}) == (own, runtime)
    assert find_sockets(folders, {"XDG_RUNTIME_DIR": str(usual)}) == (runtime, own)
    assert find_sockets(folders, {"XDG_RUNTIME_DIR": str(tmp_path)}) == (other, runtime, own)


def test_the_socket_is_looked_for_first_where_the_lock_says(tmp_path: Path) -> None:
    folders = find_state(Path("/a/app"), {"KONIVRER_WATCH_STATE_DIR": str(tmp_path / "state")})
    place = tmp_path / "run" / "control.sock"
    with hold_lease(folders.own / "lock", "process 7 (direct)", place):
        assert find_sockets(folders, {})[0] == place
        assert find_sockets(folders, {})[-1] == folders.own / "control.sock"
    assert place not in find_sockets(folders, {})


def test_a_state_folder_inside_the_root_is_never_entered_and_one_outside_is_no_matter(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    inside = {"KONIVRER_WATCH_STATE_DIR": str(root / "a" / "state")}
    assert find_place(root, find_state(root, inside), inside).never == {b"a/state"}
    outside = {"KONIVRER_WATCH_STATE_DIR": "/elsewhere"}
    assert find_place(root, find_state(root, outside), outside).never == set()


def test_a_state_folder_that_a_link_leads_into_the_root_is_never_entered_either(tmp_path: Path) -> None:
    root = (tmp_path / "root").resolve()
    (root / "state").mkdir(parents=True)
    (tmp_path / "link").symlink_to(root / "state")
    environment = {"KONIVRER_WATCH_STATE_DIR": str(tmp_path / "link")}
    assert find_place(root, find_state(root, environment), environment).never == {b"state"}


def test_a_state_folder_that_is_the_root_or_cannot_be_is_a_fault(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    for named in (str(root), f"{root}/x/..", "~nobody-of-this-name/x"):
        with pytest.raises(UsageFault, match=r"^KONIVRER_WATCH_STATE_DIR: "):
            find_state(root, {"KONIVRER_WATCH_STATE_DIR": named})


def test_the_rules_that_ship_are_found() -> None:
    packs = read_packs()
    assert packs.lint_path.read_bytes() == packs.lint
    assert packs.security
    assert packs.optimize


def test_missing_rules_end_the_program_with_the_command_that_brings_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(konivrer_watch, "__file__", str(tmp_path / "package" / "__init__.py"))
    with pytest.raises(StopError, match="pip install --force-reinstall konivrer-watch"):
        read_packs()
    (tmp_path / "rules").mkdir()
    with pytest.raises(StopError, match="cannot be read"):
        read_packs()
