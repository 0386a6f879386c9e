"""What another user put in our way is refused and named, and nothing of ours is left in the user's tree."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from konivrer_watch.system.control_wire import Answer, frame
from tests.whole.program import is_summary, run, watching

STRANGER = 54_321
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("import os\n")
    return root


def state() -> Path:
    return Path(os.environ["KONIVRER_WATCH_STATE_DIR"])


def own(tree: Path) -> Path:
    """The root's state folder, made by a first check."""
    run("check", tree)
    with watching(tree) as watcher:
        watcher.wait_for(is_summary)
        watcher.end()
    (folder,) = state().glob("tree-*")
    return folder


@ROOT_ONLY
@pytest.mark.parametrize("whose", ["the root's folder", "the folder of all roots"])
def test_a_state_folder_of_another_user_is_refused_before_anything_in_it_is_opened(
    tree: Path, tmp_path: Path, whose: str
) -> None:
    folder = own(tree)
    precious = tmp_path / "precious"
    precious.write_text("not to be overwritten")
    for name in ("lock", "supervisor.lock"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(precious)
    os.chown(folder if whose == "the root's folder" else state(), STRANGER, STRANGER)
    for command in ("start", "stop", "restart", "watch"):
        ended = run(command, tree)
        assert ended.returncode != 0
        assert f"user {STRANGER}" in ended.stderr.decode()
    assert precious.read_text() == "not to be overwritten"


@pytest.mark.parametrize("name", ["lock", "state.db"])
def test_a_link_in_our_own_state_folder_leads_to_no_write(tree: Path, tmp_path: Path, name: str) -> None:
    folder = own(tree)
    precious = tmp_path / "precious"
    precious.write_text("not to be overwritten")
    (folder / name).unlink()
    (folder / name).symlink_to(precious)
    if name == "lock":
        assert run("watch", "--plain", tree).returncode != 0
    else:
        with watching(tree) as watcher:
            watcher.wait_for(is_summary)
    assert precious.read_text() == "not to be overwritten"


@contextmanager
def pretending(place: Path) -> Iterator[None]:
    """A process of the stranger's that answers every question at ``place`` with what it likes."""
    program = f"""
import os, socket, sys
place = {str(place)!r}
listener = socket.socket(socket.AF_UNIX)
os.setgid({STRANGER}); os.setuid({STRANGER})
listener.bind(place); os.chmod(place, 0o777); listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall({frame(Answer(b'{"healthy": true}'))!r})
    connection.close()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            process.kill()


@ROOT_ONLY
def test_a_client_believes_no_other_users_service(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    for above in (tmp_path, *tmp_path.parents):
        if above != Path("/") and above.stat().st_mode & 0o011 != 0o011:
            above.chmod(above.stat().st_mode | 0o011)
    with pretending(folder / "control.sock"):
        program = (
            "import os\n"
            "from konivrer_watch.system.control_client import ControlRefused, Ping, request\n"
            "os.setuid(12_345)\n"
            f"try: request({str(folder / 'control.sock')!r}, Ping(), 5.0)\n"
            "except ControlRefused as error: print(error)\n"
        )
        asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"is user {STRANGER}'s, and not yours" in asked.stdout


def test_neither_the_watcher_nor_an_engine_writes_a_core(tree: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        with watching(tree) as watcher:
            watcher.wait_for(is_summary)
            processes = [watcher.process.pid, *[child.pid for child in watcher.children()]]
            assert len(processes) > 1
            for pid in processes:
                limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
                (line,) = [line for line in limits if line.startswith("Max core file size")]
                assert line.split()[4] == "0"
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
