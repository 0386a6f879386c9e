"""Files that end engines, and engines that end for other reasons: who is to blame, and what is kept."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from konivrer_watch.core.errors import EngineDiedError, EngineSilentError
from konivrer_watch.core.model import Pass, ProblemKind
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon import contexts
from konivrer_watch.daemon.frames import WorkerJob, WorkerSetup, decode_request
from konivrer_watch.daemon.judge import Judged
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system.workers import EngineHinderedError, Workers
from tests.daemon.bench import Asked, codes, judge, opened, read_again
from tests.ruff_tree import write

UNUSED = "import os\n"
CALL = "import subprocess\n\nsubprocess.call('ls', shell=True)\n"

SEGV = EngineDiedError("ended with SIGSEGV before it answered")
KILL = EngineHinderedError("ended with SIGKILL before it answered")
LATE = EngineSilentError("gave no answer within 60 s")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    return root


def problems(judged: Judged, name: str) -> dict[Pass, ProblemKind]:
    (outcome,) = (each for each in judged.outcomes if each.path == os.fsencode(name))
    return {pass_: each.problem.kind for pass_, each in outcome.verdicts.items() if each.problem}


async def stale(bench: Workbench, judged: Judged) -> list[bytes]:
    """Of the files judged, those whose verdicts do not hold under the configurations as they are now."""
    known = {each.path: FileState(each.keys, each.verdicts) for each in judged.outcomes}
    there = await read_again(bench)
    return bench.judge.stale({path: there[path] for path in known}, known)


@pytest.mark.anyio
async def test_a_file_that_ends_two_workers_is_set_aside_and_its_batch_is_answered(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"bad [1].py": CALL + "x = 1\n", "good.py": CALL})
    ask = Workers.ask

    async def asking(this: Workers, frame: bytes, setup: bytes) -> bytes:
        job = decode_request(frame)
        assert isinstance(job, WorkerJob)
        if job.path == b"bad [1].py" and job.data:
            raise EngineDiedError("ended with SIGSEGV before it answered")
        return await ask(this, frame, setup)

    monkeypatch.setattr(Workers, "ask", asking)
    async with opened(root) as bench:
        judged = await judge(bench, "bad [1].py", "good.py")
        aside = {Pass.OPTIMIZE: ProblemKind.QUARANTINED, Pass.SECURITY: ProblemKind.QUARANTINED}
        assert problems(judged, "bad [1].py") == aside
        assert codes(judged, "good.py", Pass.SECURITY) == ["B404", "B602", "B607"]
        hints = [each.problem.hint for each in judged.outcomes[0].verdicts.values() if each.problem]
        assert all(r'; exclude = ["/bad \\[1].py"] leaves' in hint for hint in hints)
    asked = Asked(monkeypatch)
    async with opened(root) as bench:
        assert problems(await judge(bench, "bad [1].py"), "bad [1].py") == aside
        assert (asked.calls, asked.ran) == (0, set())


@pytest.mark.parametrize("ends", [[KILL, KILL], [SEGV, KILL], [KILL, SEGV], [SEGV, LATE], [LATE]])
@pytest.mark.anyio
async def test_a_file_whose_worker_had_no_time_or_was_killed_is_asked_again_the_next_time(
    root: Path, monkeypatch: pytest.MonkeyPatch, ends: list[Exception]
) -> None:
    write(root, {"a.py": CALL})
    ask, left = Workers.ask, list(ends)

    async def asking(this: Workers, frame: bytes, setup: bytes) -> bytes:
        if left:
            raise left.pop(0)
        return await ask(this, frame, setup)

    monkeypatch.setattr(Workers, "ask", asking)
    async with opened(root, Settings(passes=(Pass.SECURITY,))) as bench:
        judged = await judge(bench, "a.py")
        assert problems(judged, "a.py") == {Pass.SECURITY: ProblemKind.ENGINE}
        (problem,) = [each.problem for each in judged.outcomes[0].verdicts.values() if each.problem]
        assert problem.hint == "it is tried again at the next save, check or change of configuration"
        assert ("SIGKILL" in problem.message) == (KILL in ends)
        assert await stale(bench, judged) == [b"a.py"]
        assert codes(await judge(bench, "a.py"), "a.py", Pass.SECURITY) == ["B404", "B602", "B607"]


@pytest.mark.anyio
async def test_the_pass_that_ends_a_second_worker_is_to_blame_and_the_other_one_answers(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"a.py": CALL})
    ask = Workers.ask

    async def asking(this: Workers, frame: bytes, setup: bytes) -> bytes:
        job = decode_request(frame)
        assert isinstance(job, WorkerJob)
        if job.data and Pass.OPTIMIZE in job.passes:
            raise SEGV
        return await ask(this, frame, setup)

    monkeypatch.setattr(Workers, "ask", asking)
    async with opened(root) as bench:
        judged = await judge(bench, "a.py")
        assert problems(judged, "a.py") == {Pass.OPTIMIZE: ProblemKind.QUARANTINED}
        assert codes(judged, "a.py", Pass.SECURITY) == ["B404", "B602", "B607"]


@pytest.mark.anyio
async def test_a_file_that_costs_too_much_of_the_processor_is_set_aside(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts, "WorkerSetup", partial(WorkerSetup, cpu_seconds=0.1))
    write(root, {"slow.py": "x = 1\n" * 80_000, "a.py": UNUSED})
    async with opened(root, Settings(passes=(Pass.OPTIMIZE,))) as bench:
        judged = await judge(bench, "slow.py", "a.py")
        assert problems(judged, "slow.py") == {Pass.OPTIMIZE: ProblemKind.QUARANTINED}
        assert problems(judged, "a.py") == {}
        (verdict,) = next(each for each in judged.outcomes if each.path == b"slow.py").verdicts.values()
        assert verdict.problem is not None
        assert "ended with SIGPROF" in verdict.problem.message
        assert Pass.OPTIMIZE not in (await judge(bench, "slow.py")).outcomes[0].ran


@pytest.mark.parametrize("error", [EngineDiedError("ended with exit code 1"), EngineSilentError("is silent")])
@pytest.mark.anyio
async def test_workers_that_survive_nothing_are_no_files_fault_and_it_is_not_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(root, {"a.py": CALL, "b.py": UNUSED})

    async def dying(this: Workers, *arguments: Any) -> bytes:
        raise error

    async with opened(root) as bench:
        with monkeypatch.context() as patch:
            patch.setattr(Workers, "ask", dying)
            judged = await judge(bench, "a.py", "b.py")
        expected = {Pass.OPTIMIZE: ProblemKind.ENGINE, Pass.SECURITY: ProblemKind.ENGINE}
        assert problems(judged, "a.py") == problems(judged, "b.py") == expected
        assert codes(judged, "b.py", Pass.LINT) == ["F401"]
        assert codes(await judge(bench, "a.py"), "a.py", Pass.SECURITY) == ["B404", "B602", "B607"]
