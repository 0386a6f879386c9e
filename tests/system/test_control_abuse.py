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

from konivrer_watch.core.errors import LeaseHeldError
from konivrer_watch.system import control, control_client, control_wire
from konivrer_watch.system.control import Ping, Request, Status, serve
from tests.system.control_serving import QUICK, ask, echo, refusal, serving, talk

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


async def test_two_hundred_clients_at_once_are_all_answered_at_most_thirty_two_together(path: Path) -> None:
    together = most = 0

    async def counted(request: Request) -> bytes:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await anyio.sleep(0.005)
        together -= 1
        return b"done"

    answers = []
    threads = anyio.CapacityLimiter(200)

    async def one() -> None:
        answers.append(
            await anyio.to_thread.run_sync(control_client.request, path, Ping(), 30.0, limiter=threads)
        )

    async with serving(path, counted), anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(one)
    assert answers == [b"done"] * 200
    assert most <= control.MOST_CONNECTIONS


async def test_silent_clients_in_every_slot_delay_others_only_until_the_deadline(path: Path) -> None:
    async with serving(path, deadlines=QUICK):
        silent = [socket.socket(socket.AF_UNIX) for _ in range(control.MOST_CONNECTIONS)]
        try:
            for connection in silent:
                connection.connect(str(path))
            assert await ask(path, Ping(), 5.0)
        finally:
            for connection in silent:
                connection.close()


async def test_a_listener_with_a_full_backlog_is_not_taken_for_stale(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(str(path))
        busy.listen(0)
        client.connect(str(path))
        with pytest.raises(LeaseHeldError):
            await serve(path, echo)
        with pytest.raises(control_client.ControlSilent, match=r"within 0\.1 s"):
            await ask(path, Ping(), 0.1)
    assert path.is_socket()


async def test_a_stranger_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "peer_uid", lambda connection: os.geteuid() + 1)
    async with serving(path):
        with pytest.raises(control_client.ControlRefused, match="this service is user"):
            await ask(path, Ping())


async def test_root_and_platforms_that_do_not_tell_the_peer_are_answered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uid in (0, None):
        monkeypatch.setattr(control, "peer_uid", lambda connection, uid=uid: uid)
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
        (struct.pack(">I", 0xFFFFFFFF), control_client.ControlRefused),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", control_client.ControlRefused),
        (struct.pack(">I", 3) + b"\xc1\xc1\xc1", control_client.ControlRefused),
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
