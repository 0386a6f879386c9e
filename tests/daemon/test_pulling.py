"""Only a start pulls; a restart after a crash, and who does not want it, run no git, and clear what was left."""

import os
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.events import Event, PullFinished
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.pulling import StartupPull
from konivrer_watch.daemon.recorder import Judgement, Recorder
from tests.git_trees import GitTree, make_git_tree

AT = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


async def result_of(pull: StartupPull) -> PullResult:
    told: list[PullResult] = []

    def listen(event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        assert isinstance(event, PullFinished)
        told.append(event.result)

    looked = anyio.Event()
    looked.set()
    await pull.run(Recorder(listen), looked)
    assert len(told) == 1
    return told[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("restarts", "wanted", "outcome"),
    [(0, True, PullOutcome.UPDATED), (1, True, PullOutcome.SKIPPED), (0, False, PullOutcome.OFF)],
)
async def test_only_a_start_that_is_wanted_runs_git(
    tree: GitTree, restarts: int, wanted: bool, outcome: PullOutcome
) -> None:
    program = tree.folder / "bin/git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ntouch "{tree.mark}"\nPATH="${{PATH#*:}}" exec git "$@"\n')
    program.chmod(0o755)
    environment = tree.environment(PATH=f"{program.parent}:{os.environ['PATH']}")
    left = tree.folder / "pull" / "shadow"
    left.mkdir(parents=True)
    record = ServiceRecord(Launcher.DIRECT, "boot", AT, AT, restarts=restarts)
    before = tree.head()
    pull = StartupPull(os.fsencode(tree.clone), left.parent, environment, record, wanted=wanted)
    result = await result_of(pull)
    assert result.result is outcome, result
    assert ("restart after a crash" in result.reason) is (restarts == 1)
    pulls = outcome is PullOutcome.UPDATED
    assert tree.mark.exists() is pulls
    assert (tree.head() == before) is not pulls
    assert not left.parent.exists()
