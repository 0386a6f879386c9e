"""kill -9 in the middle of each step of a heal: the next start is clean, and the next heal comes to its end."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.report.heal import HealJson
from konivrer_watch.system.control_client import ControlAbsent, ControlSilent, Heal, Ping, Status, ask
from tests.whole.healing import old
from tests.whole.program import calm

STEPS = (
    "clock",
    "disk",
    "logs",
    "leftovers",
    "store",
    "workers",
    "watches",
    "watch",
    "tree",
    "verdicts",
    "quarantine",
)
DEADLINE = 60.0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "tree"
    root.mkdir()
    for number in range(8):
        (root / f"a{number}.py").write_text(f"import os\nx = {number}\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


@contextmanager
def victim(root: Path, step: str, place: int, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A background watcher for the length of the block, with us for its supervisor; it answers."""
    ours, theirs = socket.socketpair()
    module = ("-m", "tests.whole.heal_victim", step, str(place), str(file))
    arguments = ("_serve", "--launcher", "direct", str(root))
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, *module, *arguments],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                env={**calm(), "KONIVRER_WATCH_PULL": "false"},
            )
        try:
            wait_served(root, process)
            assert status(root)["state"] == "watching"
            yield process
        finally:
            process.kill()
            process.wait(DEADLINE)


def place_of(root: Path) -> Path:
    return find_socket(find_state(root, dict(os.environ)), dict(os.environ))


def wait_served(root: Path, process: subprocess.Popen[bytes]) -> None:
    """Return once it listens."""
    deadline = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            ask([place_of(root)], Ping(), DEADLINE)
        except ControlAbsent:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"it does not serve; exit code {process.poll()}")


def status(root: Path) -> Any:
    """What the watcher says once its check is done."""
    return msgspec.json.decode(ask([place_of(root)], Status(sync=True, findings=True), DEADLINE))


def heal(root: Path) -> HealJson:
    return msgspec.json.decode(ask([place_of(root)], Heal(), DEADLINE), type=HealJson)


def test_each_step_may_be_killed_in_its_middle(tree: Path, tmp_path: Path) -> None:
    own = find_state(tree, dict(os.environ)).own
    file = tmp_path / "lines"
    with victim(tree, "", 0, file):
        findings = status(tree)["findings_list"]
        assert len(findings) == 8
        heal(tree)
        start_worker(tree, "first")
        heal(tree)
    lines = msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    assert set(lines) == set(STEPS)
    for step in STEPS:
        # How many lines there are depends on what other tasks do meanwhile: a tenth is reached in any case.
        with victim(tree, step, min(max(lines[step] // 10, 5), 1000), file) as process:
            assert status(tree)["findings_list"] == findings, f"before {step}"
            told = heal(tree)
            assert told.found == told.mended == 0, f"before {step}: {told}"
            start_worker(tree, step)
            with pytest.raises(ControlSilent):
                heal(tree)
            assert process.wait(DEADLINE) == -9, step
        assert b'"finished":false' in (own / "timers.json").read_bytes()
    leave_traces(own)
    with victim(tree, "", 0, file):
        assert status(tree)["findings_list"] == findings
        told = heal(tree)
        assert told.found == told.mended, told
        assert heal(tree).found == 0
    assert b'"finished":true' in (own / "timers.json").read_bytes()
    assert not list(own.glob("*.json.*")) + list(own.glob("logs/heal-test.*"))


def start_worker(root: Path, name: str) -> None:
    """Have something judged that is not known, so that there is an engine worker to look at."""
    (root / "new.py").write_text(f'"""{name}"""\n')
    status(root)


def leave_traces(own: Path) -> None:
    """Let two hours pass for what the kills may have left."""
    for path in (*own.iterdir(), *(own / "logs").iterdir()):
        old(path)
