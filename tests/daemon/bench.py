"""Requests for a root as the command line makes them, and a count of what its engines are asked."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from konivrer_watch.cli.grounds import find_place, read_packs
from konivrer_watch.cli.places import find_state
from konivrer_watch.core.model import Pass, Signature, Trigger, Verdict
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon import sight
from konivrer_watch.daemon.judge import Judge, Judged
from konivrer_watch.daemon.once import Request, check
from konivrer_watch.daemon.workbench import Memory, Workbench, open_workbench
from konivrer_watch.report.verdicts import Report
from konivrer_watch.system.files import FileBytes, read_file
from konivrer_watch.system.ruff import LintJob, Ruff
from konivrer_watch.system.scan import scan
from konivrer_watch.system.workers import Workers


def request_for(root: Path, settings: Settings | None = None, memory: Memory = Memory.KEPT) -> Request:
    """What ``check ROOT`` asks for, with these settings."""
    environment = dict(os.environ)
    folders = find_state(root, environment)
    place = find_place(root, folders, environment)
    return Request(place, read_packs(), settings or Settings(), folders, memory)


def checked(root: Path, settings: Settings | None = None) -> Report:
    """What ``check ROOT`` reports."""
    return anyio.run(check, request_for(root, settings), lambda done, of: None, lambda warning: None)


@asynccontextmanager
async def opened(
    root: Path, settings: Settings | None = None, memory: Memory = Memory.KEPT
) -> AsyncIterator[Workbench]:
    """A workbench of the root, its configurations read."""
    request = request_for(root, settings, memory)
    async with open_workbench(
        request.place, request.packs, request.settings, request.folders, request.memory
    ) as bench:
        await read_again(bench)
        yield bench


async def read_again(bench: Workbench) -> dict[bytes, Signature]:
    """Read the configurations as they are now; return the files that count."""
    files = scan(bench.contexts.scope()).files
    await bench.contexts.read(files)
    return files


async def judge(bench: Workbench, *names: str | bytes) -> Judged:
    """Have these files judged as one batch."""
    now = anyio.current_time()
    return await bench.judge.judge([Settled(os.fsencode(name), Trigger.SAVE, now) for name in names])


def codes(judged: Judged, name: str, pass_: Pass) -> list[str]:
    """The codes one pass found in one file."""
    (outcome,) = (each for each in judged.outcomes if each.path == os.fsencode(name))
    return [finding.code for finding in outcome.verdicts[pass_].findings]


class Asked:
    """What was asked of the engines since the last ``reset``, by the real ones all the same.

    ``ran`` is what the outcomes say; ``calls`` counts runs of ruff and questions to workers; ``read`` are the files
    that were read for judging.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ran: set[tuple[str, Pass]] = set()
        self.calls = 0
        self.read: set[str] = set()
        judge, lint, ask, read = Judge.judge, Ruff.check, Workers.ask, read_file

        async def judging(this: Judge, entries: Sequence[Settled]) -> Judged:
            judged = await judge(this, entries)
            self.ran |= {(os.fsdecode(each.path), pass_) for each in judged.outcomes for pass_ in each.ran}
            return judged

        async def linting(this: Ruff, root: bytes, jobs: Sequence[LintJob]) -> dict[bytes, Verdict]:
            self.calls += 1
            return await lint(this, root, jobs)

        async def asking(this: Workers, *arguments: Any) -> bytes:
            self.calls += 1
            return await ask(this, *arguments)

        def reading(root: bytes, path: bytes, limit: int, now_ns: int) -> FileBytes:
            self.read.add(os.fsdecode(path))
            return read(root, path, limit, now_ns)

        patch.setattr(Judge, "judge", judging)
        patch.setattr(Ruff, "check", linting)
        patch.setattr(Workers, "ask", asking)
        patch.setattr(sight, "read_file", reading)

    def reset(self) -> None:
        """Begin anew."""
        self.ran, self.calls, self.read = set(), 0, set()
