import functools
import os
import socket
import struct
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from konivrer_watch.system import control_client, control_exchange, control_wire
from konivrer_watch.system.control import Ping, Request, Status
from tests.system.control_serving import QUICK, ask, refusal, serving, talk

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "control.sock"


async def test_an_answer_beyond_the_limit_is_refused_with_its_size(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def large(request: Request) -> bytes:
        return b"x" * 2000

    monkeypatch.setattr(control_wire, "LARGEST_REPLY", 1000)
    async with serving(path, large):
        with pytest.raises(control_client.ControlRefused, match=r"too large: a frame of 20\d\d bytes"):
            await ask(path, Ping())


async def test_a_giant_frame_is_refused_before_it_is_sent(path: Path) -> None:
    async with serving(path):
        reply = await anyio.to_thread.run_sync(talk, path, struct.pack(">I", 0xFFFFFFFF))
        assert "a frame of 4294967295 bytes" in refusal(reply)
        assert await ask(path, Ping())


@pytest.mark.parametrize(
    "payload",
    [
        b"\xc1garbage",
        msgspec.msgpack.encode({"type": "format-disk"}),
        msgspec.msgpack.encode({"type": "status", "sync": "yes"}),
        msgspec.msgpack.encode({"type": "status", "timeout": -1}),
        msgspec.msgpack.encode({"type": "status", "timeout": float("nan")}),
        msgspec.msgpack.encode({"type": "status", "timeout": float("inf")}),
        msgspec.msgpack.encode({"type": "stop", "now": True}),
        msgspec.msgpack.encode("stop") + b"\x00",
        b"\x91" * 60_000,
    ],
)
async def test_what_is_no_request_is_refused_and_the_service_goes_on(path: Path, payload: bytes) -> None:
    async with serving(path):
        reply = await anyio.to_thread.run_sync(talk, path, struct.pack(">I", len(payload)) + payload)
        assert refusal(reply).startswith("not a request this version knows: ")
        assert await ask(path, Ping())


async def test_an_empty_frame_is_refused(path: Path) -> None:
    async with serving(path):
        reply = await anyio.to_thread.run_sync(talk, path, struct.pack(">I", 0))
        assert "a frame of 0 bytes" in refusal(reply)


@pytest.mark.parametrize("part", [b"", b"\x00\x00", struct.pack(">I", 50) + b"half"])
async def test_a_request_that_does_not_arrive_in_time_is_refused(path: Path, part: bytes) -> None:
    async with serving(path, deadlines=QUICK):
        reply = await anyio.to_thread.run_sync(talk, path, part)
        assert refusal(reply) == "no whole request came within 0.2 s"


async def test_a_client_that_leaves_in_the_middle_harms_nobody(path: Path) -> None:
    async with serving(path):
        for part in (b"", b"\x00", struct.pack(">I", 9) + b"half"):
            await anyio.to_thread.run_sync(functools.partial(talk, path, part, hang_up=True))
        assert await ask(path, Ping())


async def test_a_request_ends_when_its_client_hangs_up(path: Path) -> None:
    began, ended = anyio.Event(), anyio.Event()

    async def endless(request: Request) -> bytes:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return b""

    async with serving(path, endless):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(control_wire.frame(Status(sync=True)))
            with anyio.fail_after(5):
                await began.wait()
            assert not ended.is_set()
        with anyio.fail_after(5):
            await ended.wait()


async def test_a_client_that_does_not_take_its_answer_is_let_go(path: Path) -> None:
    async def large(request: Request) -> bytes:
        return b"x" * 8_000_000

    async with serving(path, large, QUICK):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(control_wire.frame(Ping()))
            await anyio.sleep(0.5)
            connection.settimeout(5.0)
            received = 0
            while part := connection.recv(1 << 20):
                received += len(part)
            assert received < 8_000_000


async def test_a_stranger_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_exchange, "peer_uid", lambda connection: os.geteuid() + 1)
    async with serving(path):
        with pytest.raises(control_client.ControlRefused, match="this service is user"):
            await ask(path, Ping())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_another_user_cannot_reach_the_socket_and_is_refused_where_the_folder_was_opened(
    path: Path,
) -> None:
    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5.0)
        os.seteuid(65534)
        try:
            # The kernel notes who connects (unix(7), SO_PEERCRED).
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        except BaseException:
            connection.close()
            raise
        finally:
            os.seteuid(0)
        return connection

    async with serving(path):
        folder = os.open(path.parent, os.O_PATH)
        try:
            with pytest.raises(PermissionError):
                connect()
            path.parent.chmod(0o755)
            path.chmod(0o666)
            with connect() as connection:
                connection.sendall(control_wire.frame(Ping()))
                reply = await anyio.to_thread.run_sync(connection.recv, 4096)
            assert "user 0's, not user 65534's" in refusal(reply)
        finally:
            os.close(folder)


async def test_root_and_platforms_that_do_not_tell_the_peer_are_answered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uid in (0, None):
        monkeypatch.setattr(control_exchange, "peer_uid", lambda connection, uid=uid: uid)
        async with serving(path):
            assert await ask(path, Ping())


def test_the_peer_of_a_connection_is_known() -> None:
    one, two = socket.socketpair(socket.AF_UNIX)
    with one, two:
        assert control_wire.peer_uid(one) == os.geteuid()


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (b"", control_client.ControlSilent),
        (struct.pack(">I", 100) + b"half", control_client.ControlSilent),
        (struct.pack(">I", 0xFFFFFFFF), control_client.ControlForeign),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", control_client.ControlForeign),
        (struct.pack(">I", 3) + b"\xc1\xc1\xc1", control_client.ControlForeign),
    ],
)
async def test_a_client_survives_any_service(path: Path, reply: bytes, fault: type[Exception]) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(fault):
            await ask(path, Ping(), 5.0)
        thread.join(5.0)


async def test_a_fault_of_the_handler_ends_the_service_and_removes_the_socket(path: Path) -> None:
    async def broken(request: Request) -> bytes:
        raise LookupError("a fault of ours")

    with pytest.raises(ExceptionGroup) as caught:
        async with serving(path, broken):
            with pytest.raises(control_client.ControlSilent):
                await ask(path, Ping())
            await anyio.sleep_forever()
    assert caught.group_contains(LookupError)
    assert not path.exists()
