"""Whatever is done to the control socket of a running watcher, a save is judged and a question is answered."""

import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_socket, find_state
from tests.system.control_serving import crowd, talk
from tests.whole.program import crowding, is_summary, run, watching

_FRAME = struct.pack(">I", 60_000)


def trickle(clients: list[socket.socket], over: threading.Event) -> None:
    """Send each client's frame a byte at a time, as long as it is let."""
    while not over.wait(0.05):
        for client in list(clients):
            try:
                client.send(b"\x00")
            except OSError:
                clients.remove(client)


def test_a_save_is_judged_within_two_seconds_while_two_hundred_clients_crowd_the_socket(
    tmp_path: Path,
) -> None:
    root = tmp_path.resolve() / "root"
    root.mkdir()
    place = find_socket(find_state(root, environment()), environment())
    over = threading.Event()
    with watching(root, "--plain") as watcher:
        watcher.wait_for(is_summary)
        clients = crowd(place, [b"", _FRAME, _FRAME + b"half", b"\x00"] * 50)
        assert len(clients) == 200
        slow = threading.Thread(target=trickle, args=(list(clients[1::4]), over))
        slow.start()
        try:
            saved = time.monotonic()
            (root / "a.py").write_text("import os\n")
            watcher.wait_for(lambda line: "  a.py  " in line)
            assert time.monotonic() - saved < 2.0 * crowding()
            asked = time.monotonic()
            assert run("status", str(root)).returncode == 0
            assert time.monotonic() - asked < 2.0 * crowding()
        finally:
            over.set()
            slow.join()
            for client in clients:
                client.close()


@pytest.mark.parametrize(
    "request_",
    [struct.pack(">I", 0xFFFFFFFF), struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1", b"GET / HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_request_is_refused_by_the_running_watcher_at_once(
    tmp_path: Path, request_: bytes
) -> None:
    place = find_socket(find_state(tmp_path.resolve(), environment()), environment())
    with watching(tmp_path, "--plain") as watcher:
        watcher.wait_for(is_summary)
        assert b"refusal" in talk(place, request_)
        assert run("status", str(tmp_path)).returncode == 0
