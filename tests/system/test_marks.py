"""The last heal is remembered by the next process, and what cannot be kept or read harms nobody."""

import os
from pathlib import Path

import pytest

from konivrer_watch.core.events import HealFinished
from konivrer_watch.core.schedule import Instant, Mark
from konivrer_watch.system.marks import Marks

HEALED = HealFinished("2026-01-01T00:00:00Z", 2, 1)
NOW = Instant(1e9, 5e4, "boot")


def marks(folder: Path) -> Marks:
    return Marks(folder, lambda: NOW)


def test_what_was_kept_is_known_to_the_next_process_and_to_its_owner_alone(tmp_path: Path) -> None:
    own = tmp_path / "state" / "own"
    assert (marks(own).heal, marks(own).healed) == (None, None)
    marks(own).heal_ended(HEALED)
    assert (marks(own).heal, marks(own).healed) == (Mark(NOW, finished=True), HEALED)
    assert (own / "timers.json").stat().st_mode & 0o777 == 0o600
    assert own.stat().st_mode & 0o777 == 0o700
    assert os.listdir(own) == ["timers.json"]


def test_a_heal_that_was_cut_short_is_known_as_such_beside_the_one_before(tmp_path: Path) -> None:
    marks(tmp_path).heal_ended(HEALED)
    marks(tmp_path).heal_begun()
    assert marks(tmp_path).heal == Mark(NOW, finished=False)
    assert marks(tmp_path).healed == HEALED


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"heal": 5}', b"\xff\xfe", b"null"])
def test_what_cannot_be_read_counts_for_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "timers.json").write_bytes(data)
    assert marks(tmp_path).heal is None
    marks(tmp_path).heal_ended(HEALED)
    assert marks(tmp_path).healed == HEALED


def test_where_nothing_can_be_written_it_holds_for_this_process(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    held = marks(in_the_way / "own")
    held.heal_ended(HEALED)
    assert held.healed == HEALED
    folder = tmp_path / "timers.json"
    folder.mkdir()
    marks(tmp_path).heal_ended(HEALED)
    assert sorted(os.listdir(tmp_path)) == ["file", "timers.json"]
