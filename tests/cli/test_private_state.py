"""What is remembered of a user's code is readable by that user alone."""

import stat
from pathlib import Path

import pytest

from tests.whole.program import is_summary, run, watching


def modes(state: Path) -> dict[str, str]:
    """Permissions of the state folder and all that is in it."""
    places = (state, *state.rglob("*"))
    return {
        str(place.relative_to(state.parent)): oct(stat.S_IMODE(place.lstat().st_mode)) for place in places
    }


def wanted(state: Path) -> dict[str, str]:
    places = (state, *state.rglob("*"))
    return {str(place.relative_to(state.parent)): "0o700" if place.is_dir() else "0o600" for place in places}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of which not even the parents are there."""
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(tmp_path / "share" / "deep" / "state"))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.py").write_text("import os\n")
    return tmp_path / "share"


def test_a_watchers_first_state_is_private(state: Path, tmp_path: Path) -> None:
    with watching(tmp_path / "root") as watcher:
        watcher.wait_for(is_summary)
        assert modes(state) == wanted(state)
        assert {place.name for place in state.rglob("*")} >= {
            "verdicts.db",
            "state.db",
            "lock",
            "control.sock",
        }


def test_a_checks_first_state_is_private(state: Path, tmp_path: Path) -> None:
    assert run("check", tmp_path / "root").returncode == 1
    assert modes(state) == wanted(state)
    assert any(place.name == "verdicts.db" for place in state.rglob("*"))


def test_a_runtime_folder_made_for_the_socket_is_private(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with watching(tmp_path / "root") as watcher:
        watcher.wait_for(is_summary)
        assert modes(runtime / "konivrer-watch") == wanted(runtime / "konivrer-watch")
        assert list(runtime.rglob("control.sock"))
