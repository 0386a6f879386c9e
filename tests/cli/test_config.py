"""``config`` shows what holds and where it comes from, and refuses what does not."""

import json
from pathlib import Path

import pytest

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.settings import KINDS
from tests.cli.running import invoke


def test_each_setting_is_a_row_with_its_value_and_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "konivrer-watch.toml").write_text("log_keep = 7\n")
    monkeypatch.setenv("KONIVRER_WATCH_WORKERS", "2")
    rows = [line.split() for line in invoke("config", str(tmp_path)).output.splitlines()]
    assert [row[0].rstrip("*") for row in rows if row[0] != "*"] == list(KINDS)
    assert ["log_keep", "7", "konivrer-watch.toml"] in rows
    assert ["workers", "2", "environment"] in rows
    assert ["verify*", "none", "default"] in rows


def test_json_names_the_root_and_gives_the_same(tmp_path: Path) -> None:
    shown = json.loads(invoke("config", "--format", "json", str(tmp_path)).stdout)
    assert shown["root"] == str(tmp_path.resolve())
    assert list(shown["settings"]) == list(KINDS)


def test_the_folder_we_are_in_is_meant_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "konivrer-watch.toml").write_text("log_keep = 7\n")
    monkeypatch.chdir(tmp_path)
    assert "konivrer-watch.toml" in invoke("config").output


def test_a_fault_is_raised_with_all_others(tmp_path: Path) -> None:
    (tmp_path / "konivrer-watch.toml").write_text("log_keep = 0\nfixx = 1\n")
    with pytest.raises(UsageFault) as caught:
        invoke("config", str(tmp_path))
    assert str(caught.value).count("konivrer-watch.toml: ") == 2


def test_nothing_is_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(state))
    invoke("config", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
