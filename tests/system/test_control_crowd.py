"""However many clients there are, silent, waiting or polite: a plain question is answered."""

import socket
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from konivrer_watch.core.errors import LeaseHeldError
from konivrer_watch.system import control, control_client, control_exchange, control_wire
from konivrer_watch.system.control import Ping, Request, Status, serve
from tests.system.control_serving import ask, crowd, echo, refusal, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "control.sock"


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
    assert most <= control_exchange.MOST_ANSWERS


async def test_two_hundred_silent_clients_delay_nobody_and_the_longest_silent_is_told_why_it_gave_way(
    path: Path,
) -> None:
    async with serving(path):
        # Every other one begins a frame, and never ends it.
        silent = await anyio.to_thread.run_sync(crowd, path, [b"", b"\x00\x00"] * 100)
        try:
            assert await ask(path, Ping(), 1.0) == b"Ping()"
            silent[0].settimeout(1.0)
            assert "others came before you" in refusal(silent[0].recv(4096))
        finally:
            for connection in silent:
                connection.close()


async def test_those_that_wait_leave_room_for_a_plain_question_and_are_refused_beyond_a_number(
    path: Path,
) -> None:
    waiting, enough = 0, anyio.Event()

    async def synced(request: Request) -> bytes:
        nonlocal waiting
        if not (isinstance(request, Status) and request.sync):
            return b"plain"
        waiting += 1
        if waiting == control_exchange.MOST_WAITING:
            enough.set()
        await anyio.sleep_forever()
        return b""

    async with serving(path, synced):
        requests = [control_wire.frame(Status(sync=True))] * control_exchange.MOST_WAITING
        clients = await anyio.to_thread.run_sync(crowd, path, requests)
        try:
            with anyio.fail_after(5):
                await enough.wait()
            assert await ask(path, Status(), 1.0) == b"plain"
            with pytest.raises(control_client.ControlRefused, match="48 requests wait already"):
                await ask(path, Status(sync=True), 1.0)
        finally:
            for client in clients:
                client.close()


async def test_those_who_ask_for_everything_and_do_not_read_it_delay_nobody(path: Path) -> None:
    async def large(request: Request) -> bytes:
        return b"x" * (8 << 20) if isinstance(request, Status) and request.findings else b"plain"

    async with serving(path, large):
        request = control_wire.frame(Status(findings=True))
        clients = await anyio.to_thread.run_sync(crowd, path, [request] * control_exchange.MOST_WAITING)
        try:
            for _ in range(3):
                assert await ask(path, Status(), 1.0) == b"plain"
            # Those in whose turn it is not wait; one that goes leaves its place at once.
            for client in clients[:-1]:
                client.close()
            assert await ask(path, Status(findings=True), 5.0) == b"x" * (8 << 20)
        finally:
            for client in clients:
                client.close()


def test_silent_waiting_and_answered_clients_together_are_no_more_than_may_be_connected() -> None:
    together = control_exchange.MOST_SILENT + control_exchange.MOST_WAITING + control_exchange.MOST_ANSWERS
    assert together <= control.MOST_CONNECTIONS


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
