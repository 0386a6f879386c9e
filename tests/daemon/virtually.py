"""Heals on a virtual clock: they count by it, and engines, which keep real time, say what they said before."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from konivrer_watch.core.schedule import Instant
from konivrer_watch.daemon import healing
from konivrer_watch.daemon.judge import Judge
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system.workers import Workers


def heal_virtually(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make it so from now on; return what will hold the times at which verdicts were proven."""
    began = trio.current_time()
    proven: list[float] = []

    @asynccontextmanager
    async def remember(bench: Workbench) -> AsyncIterator[Judge]:
        proven.append(trio.current_time())
        yield bench.judge

    async def examine(workers: Workers, *arguments: object) -> tuple[str, ...]:
        await trio.lowlevel.checkpoint()
        return ()

    def read_clocks() -> Instant:
        passed = trio.current_time() - began
        return Instant(1e9 + passed, 5e4 + passed, "boot")

    monkeypatch.setattr(Workbench, "open_cold", remember)
    monkeypatch.setattr(Workers, "examine", examine)
    monkeypatch.setattr(healing, "read_clocks", read_clocks)
    return proven
