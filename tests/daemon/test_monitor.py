"""The monitor against a scripted service, and against a real socket that does not answer."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from konivrer_watch.core.errors import StopError
from konivrer_watch.core.guard import Sign
from konivrer_watch.daemon.monitor import Monitor, look_at
from konivrer_watch.system.control_wire import LENGTH, Answer, Refusal, frame
from konivrer_watch.system.leash import lay_leash
from konivrer_watch.system.logs import Severity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers of ours run on Linux")

_HOLDER = """
import sys, time
from pathlib import Path
from konivrer_watch.system.leash import lay_leash
with lay_leash(Path(sys.argv[1])):
    print("laid", flush=True)
    time.sleep(60)
"""
INTERVAL = 60.0


class Script:
    """A service that gives these signs, one a look, and a monitor that turns in virtual time."""

    def __init__(self, folder: Path, *signs: Sign) -> None:
        self.signs = list(signs)
        self.said: list[tuple[Severity, str]] = []
        self.now = 0.0
        self.monitor = Monitor(folder, self.look, self.say, INTERVAL, lambda: self.now)

    def look(self) -> tuple[Sign, str]:
        return self.signs.pop(0), "words"

    def say(self, severity: Severity, text: str) -> None:
        self.said.append((severity, text))

    def run(self) -> float:
        """Turn until all signs are given; return the seconds that took."""
        while self.signs:
            self.now += self.monitor.turn()
        return self.now


@pytest.fixture
def leashed(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that can be ended by the leash in ``tmp_path``."""
    with leash_holder(tmp_path) as process:
        yield process


@contextmanager
def leash_holder(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that can be ended by the leash in a folder."""
    command = [sys.executable, "-c", _HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"laid\n"
        yield process
        process.kill()


def test_a_service_that_hangs_is_killed_and_its_return_told(
    tmp_path: Path, leashed: "subprocess.Popen[bytes]"
) -> None:
    script = Script(
        tmp_path, Sign.ANSWERED, Sign.SILENT, Sign.SILENT, Sign.ABSENT, Sign.STARTING, Sign.ANSWERED
    )
    script.run()
    assert leashed.wait(5) == -signal.SIGKILL
    assert script.said == [
        (Severity.ERROR, "monitor: the service hung and was killed: words"),
        (Severity.INFO, "monitor: the service is back after 6 s"),
    ]


@pytest.mark.parametrize("sign", [Sign.ANSWERED, Sign.ABSENT, Sign.STARTING])
def test_a_service_that_answers_starts_or_is_not_there_is_left_alone_without_a_word(
    tmp_path: Path, leashed: "subprocess.Popen[bytes]", sign: Sign
) -> None:
    script = Script(tmp_path, *[sign] * 10)
    assert script.run() == 10 * INTERVAL
    assert leashed.poll() is None
    assert script.said == []


def test_a_year_without_a_fault_says_nothing(tmp_path: Path) -> None:
    script = Script(tmp_path)
    for _ in range(365 * 24 * 60):
        script.signs = [Sign.ANSWERED]
        script.now += script.monitor.turn()
    assert script.now == 365 * 86_400
    assert script.said == []


def test_what_does_not_end_when_it_is_killed_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("konivrer_watch.daemon.monitor.DEATH_SECONDS", 0.02)
    script = Script(tmp_path, *[Sign.SILENT] * 10)
    # What a paused container is: it has the leash, and neither dies nor answers.
    os.mkfifo(tmp_path / "leash")
    descriptor = os.open(tmp_path / "leash", os.O_RDWR | os.O_NONBLOCK)
    try:
        assert script.run() > 4 * INTERVAL
        assert len(os.read(descriptor, 100)) == 5
    finally:
        os.close(descriptor)
    ((severity, text),) = script.said
    assert severity is Severity.ERROR
    assert "is its container paused?" in text


def test_a_service_that_hangs_again_before_it_answered_is_killed_and_told_again(tmp_path: Path) -> None:
    script = Script(tmp_path)
    for _ in range(2):
        with leash_holder(tmp_path) as process:
            script.signs = [Sign.SILENT, Sign.SILENT]
            script.run()
            assert process.wait(5) == -signal.SIGKILL
    assert [text.partition(":")[2].strip() for _, text in script.said] == [
        "the service hung and was killed: words"
    ] * 2


def test_what_cannot_be_ended_is_told_once(tmp_path: Path) -> None:
    script = Script(tmp_path, *[Sign.SILENT] * 20)
    script.run()
    (said,) = script.said
    assert said[0] is Severity.ERROR
    assert "end it by hand" in said[1]


def test_a_leash_that_is_something_else_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "leash").write_text("")
    script = Script(tmp_path, *[Sign.SILENT] * 6)
    script.run()
    ((severity, text),) = script.said
    assert severity is Severity.ERROR
    assert "something else than a leash" in text


def test_a_look_that_fails_is_told_and_the_monitor_goes_on(tmp_path: Path) -> None:
    said: list[str] = []

    def look() -> tuple[Sign, str]:
        raise StopError("no folder")

    monitor = Monitor(tmp_path, look, lambda _, text: said.append(text), INTERVAL)
    assert [monitor.turn(), monitor.turn()] == [INTERVAL, INTERVAL]
    assert said == ["monitor: no folder"]


def answering(place: Path, reply: bytes) -> threading.Thread:
    """A service that gives one client one reply, whatever it asks."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(1)

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            (length,) = LENGTH.unpack(connection.recv(LENGTH.size, socket.MSG_WAITALL))
            connection.recv(length, socket.MSG_WAITALL)
            connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def status(**fields: object) -> bytes:
    """A status as the service frames it."""
    return frame(Answer(msgspec.json.encode(fields)))


@pytest.mark.parametrize(
    ("reply", "sign"),
    [
        *[
            (status(state=state, healthy=state != "degraded"), Sign.ANSWERED)
            for state in ("starting", "checking", "watching", "paused", "degraded")
        ],
        (status(state="failed", reason="stuck"), Sign.FAILED),
        (status(state="of another version", more=1), Sign.ANSWERED),
        (frame(Answer(b"not JSON")), Sign.ANSWERED),
        (frame(Refusal("no")), Sign.ANSWERED),
        (b"", Sign.SILENT),
    ],
)
def test_what_an_answer_means(tmp_path: Path, reply: bytes, sign: Sign) -> None:
    thread = answering(tmp_path / "s", reply)
    assert look_at([tmp_path / "s"], tmp_path, 5)[0] is sign
    thread.join(5)


def test_a_socket_that_nobody_answers_at_is_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(1)
        assert look_at([tmp_path / "s"], tmp_path, 0.1) == (Sign.SILENT, "it gave no answer within 0.1 s")


def test_without_a_socket_the_leash_tells_a_start_from_an_end(tmp_path: Path) -> None:
    assert look_at([tmp_path / "s"], tmp_path, 1)[0] is Sign.ABSENT
    with lay_leash(tmp_path):
        assert look_at([tmp_path / "s"], tmp_path, 1)[0] is Sign.STARTING
