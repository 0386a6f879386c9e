"""What is wrong with a state folder is said in its own words, with what to do, by whoever meets it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from konivrer_watch.cli import state_fault as module
from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_state
from konivrer_watch.cli.state_fault import StateFault, state_fault
from konivrer_watch.daemon.folders import StateFolders
from tests.cli.running import answer
from tests.whole.program import run

ELSEWHERE = "name another one with KONIVRER_WATCH_STATE_DIR"


@pytest.fixture
def folders(tmp_path: Path) -> StateFolders:
    return StateFolders(tmp_path / "a" / "state", tmp_path / "a" / "state" / "own")


def forbid(monkeypatch: pytest.MonkeyPatch, place: Path, modes: int) -> None:
    """Refuse some of what may be done with a folder; for root the system refuses nothing."""
    access = os.access

    def allowed(path: Path, mode: int) -> bool:
        return not (path == place and mode & modes) and access(path, mode)

    monkeypatch.setattr(os, "access", allowed)


def test_what_is_not_there_can_be_made_and_what_is_there_is_used(folders: StateFolders) -> None:
    assert state_fault(folders) is None
    folders.own.mkdir(parents=True)
    assert state_fault(folders) is None


@pytest.mark.parametrize("place", [lambda folders: folders.own, lambda folders: folders.shared.parent])
def test_a_file_in_the_way_is_named(folders: StateFolders, place: Callable[[StateFolders], Path]) -> None:
    file = place(folders)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    reason = f"the state folder {folders.own} cannot be made: {file} is no folder"
    assert state_fault(folders) == StateFault(reason, f"move it away, or {ELSEWHERE}", is_blind=False)


@pytest.mark.parametrize(
    ("mode", "refused", "what", "is_blind"),
    [
        (0o000, os.R_OK | os.W_OK | os.X_OK, "be entered", True),
        (0o300, os.R_OK, "be read", True),
        (0o500, os.W_OK, "be written", False),
    ],
)
def test_permissions_that_forbid_it_are_named_with_the_command_that_changes_them(
    folders: StateFolders, mode: int, refused: int, what: str, is_blind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.own.mkdir(parents=True)
    folders.own.chmod(mode)
    with monkeypatch.context() as patch:
        forbid(patch, folders.own, refused)
        # access(2) refuses as soon as one of those that are asked for is.
        fault = state_fault(folders)
    folders.own.chmod(0o700)
    reason = f"the state folder {folders.own} cannot {what}: its permissions forbid it"
    assert fault == StateFault(reason, f"chmod u+rwx {folders.own}", is_blind)


def test_another_users_state_folder_is_that_users_to_ask(
    folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.own.mkdir(parents=True)
    me = os.geteuid()
    forbid(monkeypatch, folders.own, os.X_OK)
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    fault = state_fault(folders)
    assert fault is not None
    assert f"the state folder {folders.own} belongs to user " in fault.reason
    assert (fault.remedy, fault.is_blind) == (f"ask as that user, or {ELSEWHERE}", True)
    assert module._name(2**31 - 7) == f"user {2**31 - 7}"


def test_a_disk_that_is_read_only_is_no_matter_of_permissions(
    folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.own.mkdir(parents=True)
    forbid(monkeypatch, folders.own, os.W_OK)
    reason = f"the state folder {folders.own} cannot be written: its disk is read-only"
    assert state_fault(folders) == StateFault(reason, ELSEWHERE, is_blind=False)


def test_a_folder_above_that_lets_nobody_in_or_makes_no_room_is_named(
    folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = folders.shared.parent
    above.mkdir()
    above.chmod(0o500)
    with monkeypatch.context() as patch:
        forbid(patch, above, os.W_OK)
        made = StateFault(
            f"the state folder {folders.shared} cannot be made: {above} cannot be written",
            f"chmod u+rwx {above}, or {ELSEWHERE}",
            is_blind=False,
        )
        assert state_fault(folders) == made
        above.chmod(0o700)
        assert state_fault(folders) == StateFault(made.reason, ELSEWHERE, is_blind=False)
    forbid(monkeypatch, above, os.X_OK)
    reason = f"the state folder {folders.own} cannot be reached: you may not enter {above}"
    assert state_fault(folders) == StateFault(reason, ELSEWHERE, is_blind=True)


def test_a_status_for_want_of_a_state_folder_says_so_and_what_to_do(tmp_path: Path) -> None:
    folders = find_state(tmp_path.resolve(), environment())
    folders.shared.write_text("")
    code, report = answer("status", "--format", "json", str(tmp_path))
    assert (code, report["state"]) == (3, "stopped")
    assert report["reason"] == f"the state folder {folders.own} cannot be made: {folders.shared} is no folder"
    assert report["mend"] == f"move it away, or {ELSEWHERE}"


def test_no_command_is_lost_for_words_where_the_state_folder_is_locked(tmp_path: Path) -> None:
    """As the system itself refuses it: to root only once it has given up its capabilities."""
    before = [] if os.geteuid() else ["setpriv", "--bounding-set=-all"]
    if before and shutil.which("setpriv") is None:
        pytest.skip("root's capabilities cannot be given up here (setpriv)")
    if subprocess.run([*before, "true"], check=False, capture_output=True).returncode:
        pytest.skip("root's capabilities cannot be given up here (setpriv --bounding-set)")
    root = tmp_path.resolve() / "root"
    root.mkdir()
    own = find_state(root, environment()).own
    own.mkdir(parents=True)
    own.chmod(0)
    told = f"the state folder {own} cannot be entered: its permissions forbid it"
    try:
        for command, code in (("stop", 70), ("start", 70), ("restart", 70), ("logs", 70), ("status", 1)):
            ended = run(command, root, before=before)
            assert ended.returncode == code, command
            said = " ".join((ended.stdout + ended.stderr).decode().split())
            assert told in said
            assert f"chmod u+rwx {own}" in said
            assert "belongs to another user" not in said
    finally:
        own.chmod(0o700)
