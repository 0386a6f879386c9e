import os
import socket
import stat
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from konivrer_watch.core.errors import LeaseHeldError
from konivrer_watch.system import control_client, control_exchange
from konivrer_watch.system.control import ControlUnavailable, Ping, Request, Status, Stop, serve
from tests.system.control_serving import ask, echo, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "control.sock"


async def test_each_request_reaches_the_handler_whole_and_its_answer_comes_back(path: Path) -> None:
    async with serving(path):
        for request in (Ping(), Stop(), Status(), Status(sync=True, findings=True, timeout=0.5)):
            assert await ask(path, request) == repr(request).encode()


async def test_a_large_answer_arrives_whole(path: Path) -> None:
    body = os.urandom(1024) * 8192

    async def large(request: Request) -> bytes:
        return body

    async with serving(path, large):
        assert await ask(path, Ping()) == body


async def test_socket_and_directory_are_private_and_cancelling_removes_the_socket(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    async with serving(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


async def test_a_socket_that_replaced_ours_is_not_removed(path: Path) -> None:
    async with serving(path):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


async def test_the_answer_to_stop_gets_out_before_the_end_it_brings(path: Path) -> None:
    answers = []
    async with anyio.create_task_group() as tasks:

        async def stop(request: Request) -> bytes:
            tasks.cancel_scope.cancel()
            return b"stopping"

        await tasks.start(serve, path, stop)
        thread = threading.Thread(
            target=lambda: answers.append(control_client.request(path, Stop(), 5.0)), daemon=True
        )
        thread.start()
        await anyio.sleep_forever()
    thread.join(5.0)
    assert answers == [b"stopping"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="long paths go through /proc/self/fd")
async def test_a_path_longer_than_bind_takes_works_from_both_ends(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / ("e" * 120) / "control.sock"
    async with serving(path):
        assert path.is_socket()
        assert await ask(path, Ping()) == b"Ping()"
        with pytest.raises(LeaseHeldError):
            await serve(path, echo)
    assert not path.exists()
    with pytest.raises(control_client.ControlAbsent):
        await ask(path, Ping())


async def test_a_path_given_as_bytes_that_are_no_text_works(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\n\x1b/control.sock"
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve, path, echo)
        answer = await anyio.to_thread.run_sync(control_client.request, path, Ping(), 5.0)
        tasks.cancel_scope.cancel()
    assert answer == b"Ping()"


async def test_a_stale_socket_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with pytest.raises(control_client.ControlAbsent):
        await ask(path, Ping())
    async with serving(path):
        assert await ask(path, Ping()) == b"Ping()"


async def test_a_second_service_at_the_same_path_is_refused_and_the_first_goes_on(path: Path) -> None:
    async with serving(path):
        with pytest.raises(LeaseHeldError, match="another service already answers at"):
            await serve(path, echo)
        assert await ask(path, Ping())


async def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ControlUnavailable, match="something else than a socket"):
        await serve(path, echo)
    assert path.read_text() == "precious"


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlUnavailable, match="cannot make the control socket"):
        await serve(tmp_path / "file" / "control.sock", echo)


async def test_absent_and_silent_services_are_told_apart(path: Path) -> None:
    async def slow(request: Request) -> bytes:
        await anyio.sleep_forever()
        return b""

    with pytest.raises(control_client.ControlAbsent, match="no service listens at"):
        await ask(path, Ping())
    async with serving(path, slow):
        with pytest.raises(control_client.ControlSilent, match=r"did not answer within 0\.1 s"):
            await ask(path, Ping(), 0.1)


async def test_the_first_place_where_a_service_listens_answers(path: Path) -> None:
    stale, absent = path.parent.parent / "stale.sock", path.parent / "absent" / "control.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(stale))
    async with serving(path):
        for places in ((path,), (stale, absent, path), (path, stale)):
            answer = await anyio.to_thread.run_sync(control_client.ask, places, Ping(), 5.0)
            assert answer == b"Ping()"
    with pytest.raises(control_client.ControlAbsent, match=r"stale\.sock.*; no service listens at .*absent"):
        await anyio.to_thread.run_sync(control_client.ask, (stale, absent), Ping(), 5.0)


async def test_a_place_that_is_not_for_us_is_passed_over_and_named_where_nobody_else_answers(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = path.parent.parent / "other" / "control.sock"
    async with serving(path), serving(other):
        # The first connection is a stranger's, the second one is ours.
        uids = iter([os.geteuid() + 1, os.geteuid(), os.geteuid() + 1])
        monkeypatch.setattr(control_exchange, "peer_uid", lambda connection: next(uids))
        answer = await anyio.to_thread.run_sync(control_client.ask, (other, path), Ping(), 5.0)
        assert answer == b"Ping()"
        with pytest.raises(control_client.ControlRefused, match="this service is user"):
            await anyio.to_thread.run_sync(
                control_client.ask, (other, path.parent / "absent.sock"), Ping(), 5.0
            )


async def test_a_silent_service_is_not_passed_over_for_another_place(path: Path) -> None:
    async def slow(request: Request) -> bytes:
        await anyio.sleep_forever()
        return b""

    other = path.parent.parent / "other" / "control.sock"
    async with serving(path, slow), serving(other):
        with pytest.raises(control_client.ControlSilent):
            await anyio.to_thread.run_sync(control_client.ask, (path, other), Ping(), 0.1)
