"""``heal``: in the service that answers or alone, told by text, JSON and exit code."""

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from konivrer_watch.cli import heal as module
from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.core.heal import Heal, StepReport, StepResult, Trouble
from konivrer_watch.core.model import LogFile
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.heal import heal_json
from konivrer_watch.report.json import encode
from konivrer_watch.system import control, files
from konivrer_watch.system.lease import hold_lease
from tests.cli.running import answer, invoke
from tests.cli.test_status import serving
from tests.whole.healing import leave_socket, old

STEPS = ["disk", "leftovers", "watches", "store", "tree", "verdicts", "quarantine"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A file's change time, which cannot be set, makes it too young to be remembered for two seconds.
    monkeypatch.setattr(files, "_RACY_NS", 1_000_000)
    root = tmp_path.resolve() / "tree"
    root.mkdir()
    (root / "a.py").write_text("import os\n")
    return root


def folders(root: Path) -> StateFolders:
    return find_state(root, dict(os.environ))


def healed(root: Path, *troubles: Trouble) -> bytes:
    return heal_json(
        bytes(root), Heal("2026-01-01T00:00:00Z", (StepResult("store", StepReport(troubles), 0.25),))
    )


def test_alone_it_performs_the_steps_that_need_no_watcher_and_logs_a_line(root: Path) -> None:
    invoke("check", str(root))
    code, told = answer("heal", "--format", "json", str(root))
    assert code == 0
    assert [*told] == ["schema", "root", "at", "found", "mended", "steps"]
    assert (told["schema"], told["root"], told["found"], told["mended"]) == (1, str(root), 0, 0)
    assert [step["name"] for step in told["steps"]] == STEPS
    assert all([*step] == ["name", "found", "mended", "unmended", "seconds"] for step in told["steps"])
    (line,) = (folders(root).own / "logs" / LogFile.HEAL).read_text().splitlines()
    assert "INFO heal: nothing to mend" in line
    assert (folders(root).own / "timers.json").exists()


def test_alone_it_does_not_call_well_what_it_knows_nothing_of(root: Path) -> None:
    result = invoke("heal", str(root))
    assert result.return_value == 1
    assert "NOT MENDED: nothing is known of this root yet: run konivrer-watch check" in result.stdout
    (root / "a.py").unlink()
    assert invoke("heal", str(root)).return_value == 0


def test_alone_it_mends_what_it_can_and_says_so(root: Path) -> None:
    invoke("check", str(root))
    own = folders(root).own
    leave_socket(own / "control.sock")
    (own / "service.json.1").write_text("{")
    old(own / "service.json.1")
    result = invoke("heal", str(root))
    assert result.return_value == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{root}: 2 things found, 2 mended"
    assert [line.split()[0] for line in lines[1:] if not line.startswith("    ")] == STEPS
    assert sum("mended: " in line for line in lines) == 2
    assert not (own / "control.sock").exists()


def test_what_cannot_be_mended_is_exit_code_1(root: Path) -> None:
    invoke("check", str(root))
    entry = folders(root).own / "journal" / "1"
    entry.parent.mkdir(parents=True)
    entry.write_text("")
    old(entry)
    result = invoke("heal", str(root))
    assert result.return_value == 1
    assert "NOT MENDED: " in result.stdout
    assert result.stdout.startswith(f"{root}: 1 thing found, 0 mended, 1 NOT\n")


def test_alone_it_keeps_watchers_out_as_long_as_it_lasts_and_they_it(root: Path) -> None:
    with hold_lease(folders(root).own / "lock", "process 7 (terminal), since then"):
        result = invoke("heal", str(root))
    assert result.return_value == 3
    assert "process 7 (terminal)" in result.stderr
    assert result.stdout == ""
    with hold_lease(folders(root).own / "lock", "again"):
        pass


@pytest.mark.parametrize(
    ("troubles", "code"), [((), 0), ((Trouble("a", mended="b"),), 0), ((Trouble("a", why="c"),), 1)]
)
def test_a_service_that_runs_heals_itself_and_the_answer_is_its_own(
    root: Path, troubles: tuple[Trouble, ...], code: int
) -> None:
    with serving(root, healed(root, *troubles)) as asked:
        got, told = answer("heal", "--format", "json", str(root))
        text = invoke("heal", str(root)).stdout
    assert asked == [control.Heal(), control.Heal()]
    assert (got, told["found"]) == (code, len(troubles))
    assert encode(told) == healed(root, *troubles)
    assert text.startswith(f"{root}: ")


def test_a_service_that_does_not_answer_is_exit_code_3(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.2)
    place = find_socket(folders(root), dict(os.environ))
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        result = invoke("heal", str(root))
    assert result.return_value == 3
    assert "did not answer within" in result.stderr


def test_what_answers_in_another_way_is_exit_code_3(root: Path) -> None:
    with serving(root, b"pong"):
        result = invoke("heal", str(root))
    assert result.return_value == 3
    assert "another version" in result.stderr


def test_a_verdict_that_was_wrong_is_right_in_the_next_check(root: Path) -> None:
    """Alone, a heal judges anew by itself what it found wrong."""
    assert invoke("check", str(root)).return_value == 1
    poison(root)
    assert answer("check", "--format", "json", str(root))[1]["findings"] == []
    result = invoke("heal", str(root))
    assert result.return_value == 0
    assert "mended: lint: what is stored of a.py" in result.stdout
    assert [each["code"] for each in answer("check", "--format", "json", str(root))[1]["findings"]] == [
        "F401"
    ]


def poison(root: Path) -> None:
    """Have the store say of every file that it is clean."""
    with closing(sqlite3.connect(folders(root).shared / "verdicts.db")) as store:
        (clean,) = store.execute("SELECT body FROM verdict ORDER BY length(body) LIMIT 1").fetchone()
        store.execute("UPDATE verdict SET body = ?", (clean,))
        store.commit()
