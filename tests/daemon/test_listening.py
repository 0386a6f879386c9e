"""The control socket is there at the start, or the watch does not begin; later it is made anew until that works."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import trio.testing
from anyio.abc import TaskStatus

from konivrer_watch.core.errors import LeaseHeldError, StopError
from konivrer_watch.daemon import listening
from konivrer_watch.system.control import Request

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Sockets:
    """What serves at a place: files in a folder; ``fault`` is why none can be made."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def run_inline(call: Callable[..., object], *arguments: object) -> object:
            await anyio.lowlevel.checkpoint()
            return call(*arguments)

        monkeypatch.setattr("anyio.to_thread.run_sync", run_inline)
        monkeypatch.setattr(listening, "serve", self.serve)
        self.place = folder / "control.sock"
        self.fault: StopError | None = None
        self.attempts: list[float] = []

    async def serve(
        self, place: Path, answer: Callable[[Request], Awaitable[bytes]], task_status: TaskStatus[None]
    ) -> None:
        self.attempts.append(anyio.current_time())
        if self.fault is not None:
            raise self.fault
        place.touch()
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            place.unlink(missing_ok=True)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            await group.start(self._keep)
            yield
            group.cancel_scope.cancel()

    async def _keep(self, task_status: TaskStatus[None]) -> None:
        async def answer(request: Request) -> bytes:
            return b""

        await listening.keep_listening(lambda: self.place, answer, task_status=task_status)


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets(tmp_path, monkeypatch)


async def test_one_that_cannot_be_made_at_the_start_ends_the_watch_with_its_reason(sockets: Sockets) -> None:
    sockets.fault = LeaseHeldError("another service answers there")
    with pytest.raises(ExceptionGroup) as caught:
        async with sockets.kept():
            raise AssertionError("it has begun")
    assert caught.group_contains(LeaseHeldError)
    assert len(sockets.attempts) == 1


async def test_one_that_went_is_made_anew_and_while_that_fails_it_is_tried_every_ten_seconds(
    sockets: Sockets,
) -> None:
    async with sockets.kept():
        await anyio.sleep(100)
        assert len(sockets.attempts) == 1
        sockets.fault = StopError("no space left")
        sockets.place.unlink()
        await anyio.sleep(100)
        assert 9 <= len(sockets.attempts) <= 11
        sockets.fault = None
        await anyio.sleep(11)
        assert sockets.place.exists()


async def test_one_that_moved_is_made_where_it_belongs_by_then(sockets: Sockets, tmp_path: Path) -> None:
    async with sockets.kept():
        sockets.place.unlink()
        sockets.place = tmp_path / "elsewhere.sock"
        await anyio.sleep(11)
        assert sockets.place.exists()
