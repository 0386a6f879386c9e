"""A day on which nothing changes leaves next to nothing in the logs: the whole service on a virtual clock."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
import trio.testing

from konivrer_watch.cli.log_sink import LogSink
from konivrer_watch.cli.places import find_state
from konivrer_watch.cli.voice import Voice
from konivrer_watch.cli.watch import request_for, startup_pull
from konivrer_watch.core.events import Event
from konivrer_watch.core.model import Launcher, LogFile
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import State, Status
from konivrer_watch.daemon import app
from konivrer_watch.daemon.ending import heed_signals
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.system.cookie import Cookie
from konivrer_watch.system.logs import Logs, Severity
from tests.daemon.quiet_source import QuietSource
from tests.daemon.told import Told
from tests.daemon.virtually import heal_virtually

DAY = 86_400.0


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the probe was sent; each comes back at once."""
    sent: list[float] = []
    touch = Cookie.touch

    async def touch_and_tell(cookie: Cookie) -> str | None:
        fault = await touch(cookie)
        cookie.seen_nowait()
        sent.append(trio.current_time())
        return fault

    monkeypatch.setattr(Cookie, "touch", touch_and_tell)
    monkeypatch.setattr(app, "PortableSource", QuietSource)
    return sent


async def run_inline(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return call(*arguments)


def test_a_day_without_a_change_writes_no_line_after_the_start_but_one_for_each_heal(
    tmp_path: Path, probes: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "tree"
    log_folder = find_state(root, dict(os.environ)).own / "logs"
    root.mkdir()
    (root / "a.py").write_text("import os\n")
    long_ago = 1_700_000_000
    os.utime(root / "a.py", (long_ago, long_ago))
    told = Told()
    clock = trio.testing.MockClock(rate=1)
    last = Status()

    async def live() -> None:
        watching = trio.Event()

        def hear(event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
            nonlocal last
            voice.hear(event, judgements, status)
            last = status
            if status.state is State.WATCHING and status.probed is not None:
                watching.set()

        record = ServiceRecord(Launcher.SYSTEMD, "boot", "then", "then")
        pull = startup_pull(root, Settings(pull=False), record)
        # Real load on a virtual clock means nothing.
        options = {"resource_threshold": 100}
        say_healed = functools.partial(logs.put_nowait, LogFile.HEAL)
        request = request_for(root, options, record, pull, lambda: logs.fault, say_healed)
        heal_virtually(monkeypatch)
        with heed_signals() as ending:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(app.watch, request, hear, told, ending)
                # The first check starts engines, which keep real time, and what it began in threads has to end.
                await watching.wait()
                await anyio.sleep(0.5)
                # Real threads confuse a virtual clock: it would jump while one of them works.
                monkeypatch.setattr(anyio.to_thread, "run_sync", run_inline)
                clock.rate, clock.autojump_threshold = 0, 0
                await anyio.sleep(DAY)
                nursery.cancel_scope.cancel()

    with Logs(log_folder, max_bytes=1 << 20, keep=1) as logs:
        voice = Voice(LogSink(logs), as_json=False, color=False, zone=None)
        voice.begin(root)
        logs.put_nowait(LogFile.SERVICE, Severity.INFO, "started by systemd")
        with voice:
            trio.run(live, clock=clock)
    lines = {file: read(log_folder / file) for file in LogFile}
    assert (last.state, last.degraded, last.missed) == (State.WATCHING, None, 0)
    assert len(probes) >= DAY / 60
    assert {file: len(some) for file, some in lines.items()} == {
        LogFile.SERVICE: 1,
        LogFile.AUTOMATION: 3,
        LogFile.HEAL: 24,
    }, lines


def read(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []
