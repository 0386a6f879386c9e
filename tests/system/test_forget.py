"""Root removes another user's record with that user's rights alone, and is root again after."""

import os
import pwd
from pathlib import Path

import pytest

from konivrer_watch.system.forget import acting_as, remove_record

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def identity() -> tuple[int, int, list[int]]:
    """Who opens files now."""
    return os.geteuid(), os.getegid(), os.getgroups()


@needs_root
def test_a_link_in_a_users_folder_leads_root_nowhere_that_the_user_may_not_go(tmp_path: Path) -> None:
    roots, before = tmp_path / "service.json", identity()
    roots.touch()
    with pytest.raises(PermissionError), acting_as("daemon"):
        assert os.geteuid() == pwd.getpwnam("daemon").pw_uid
        remove_record(tmp_path)
    assert identity() == before
    remove_record(tmp_path)
    assert not roots.exists()


def test_as_oneself_nothing_changes_and_what_is_not_there_is_no_fault(tmp_path: Path) -> None:
    before = identity()
    with acting_as(None):
        assert identity() == before
        remove_record(tmp_path)


def test_a_user_there_is_not_is_a_fault() -> None:
    with pytest.raises(KeyError), acting_as("nobody-here"):
        pass
