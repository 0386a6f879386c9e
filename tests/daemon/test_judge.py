"""What the judge answers for, what it does not, and what it remembers."""

import gc
import os
import tracemalloc
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.model import Pass, ProblemKind
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon import sight
from konivrer_watch.daemon.judge import Judged
from konivrer_watch.daemon.workbench import Memory, Workbench
from konivrer_watch.system import files
from konivrer_watch.system.files import FileBytes, UnstableError
from tests.daemon.bench import Asked, codes, judge, opened, read_again
from tests.ruff_tree import write

UNUSED = "import os\n"
CALL = "import subprocess\n\nsubprocess.call('ls', shell=True)\n"


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
async def test_a_broken_configuration_is_not_kept_and_its_verdicts_do_not_hold(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file written just now is never known for certain; here it is, whatever its age.
    monkeypatch.setattr(files, "_RACY_NS", 0)
    write(root, {"ruff.toml": "lint.select = 'F'\n", "a.py": UNUSED})
    async with opened(root) as bench:
        for _ in range(2):
            judged = await judge(bench, "a.py")
            assert problems(judged, "a.py") == {Pass.LINT: ProblemKind.CONFIGURATION}
            assert Pass.LINT in judged.outcomes[0].ran
            assert await stale(bench, judged) == [b"a.py"]
        write(root, {"ruff.toml": ""})
        await read_again(bench)
        assert await stale(bench, judged) == [b"a.py"]
        judged = await judge(bench, "a.py")
        assert (problems(judged, "a.py"), await stale(bench, judged)) == ({}, [])


@pytest.mark.anyio
async def test_what_cannot_be_read_or_is_too_large_is_said_of_every_pass_and_not_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"large.py": "#" * 2000, "closed.py": UNUSED, "moving.py": UNUSED, "a.py": UNUSED})
    read = sight.__dict__["read_file"]

    def reading(root: bytes, path: bytes, *rest: int) -> FileBytes:
        if path == b"closed.py":
            raise PermissionError(13, "Permission denied")
        if path == b"moving.py":
            raise UnstableError
        found = read(root, path, *rest)
        assert isinstance(found, FileBytes)
        return found

    async with opened(root, Settings(max_file_kb=1)) as bench:
        with monkeypatch.context() as patch:
            patch.setattr(sight, "read_file", reading)
            judged = await judge(bench, "large.py", "closed.py", "moving.py", "gone.py", "a.py")
        assert problems(judged, "large.py") == dict.fromkeys(Pass, ProblemKind.TOO_LARGE)
        assert problems(judged, "closed.py") == dict.fromkeys(Pass, ProblemKind.UNREADABLE)
        assert [entry.path for entry in judged.again] == [b"moving.py"]
        assert judged.gone == (b"gone.py",)
        assert codes(judged, "a.py", Pass.LINT) == ["F401"]
        large = next(each for each in judged.outcomes if each.path == b"large.py")
        assert (large.keys, large.ran) == ({}, frozenset())
        (problem,) = {each.problem for each in large.verdicts.values()}
        assert problem is not None
        assert (problem.message, problem.hint) == (
            "larger than 1 kB",
            'raise max_file_kb; exclude = ["/large.py"] leaves it out',
        )
        assert codes(await judge(bench, "closed.py"), "closed.py", Pass.LINT) == ["F401"]


@pytest.mark.anyio
async def test_a_file_that_is_known_is_too_large_once_the_limit_is_lower(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RACY_NS", 0)
    write(root, {"large.py": "#" * 2000})
    async with opened(root) as bench:
        assert problems(await judge(bench, "large.py"), "large.py") == {}
        assert set(bench.judge.records) == {b"large.py"}
    async with opened(root, Settings(max_file_kb=1)) as bench:
        assert set(bench.judge.records) == {b"large.py"}
        assert problems(await judge(bench, "large.py"), "large.py") == dict.fromkeys(
            Pass, ProblemKind.TOO_LARGE
        )


@pytest.mark.anyio
async def test_a_file_that_cannot_be_parsed_is_known_and_its_hint_says_how_to_leave_it_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)
    write(root, {"a.py": "def f(:\n", "b.py": "def f(:\n"})
    async with opened(root, Settings(passes=(Pass.OPTIMIZE,))) as bench:
        for name, ran in (("a.py", {("a.py", Pass.OPTIMIZE)}), ("b.py", set[tuple[str, Pass]]())):
            asked.reset()
            judged = await judge(bench, name)
            assert asked.ran == ran
            (verdict,) = judged.outcomes[0].verdicts.values()
            assert verdict.problem is not None
            assert f'; exclude = ["/{name}"] leaves it out' in verdict.problem.hint


@pytest.mark.anyio
async def test_a_batch_larger_than_what_is_kept_in_memory_is_judged_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "_KEPT_BYTES", 100)
    asked = Asked(monkeypatch)
    names = [f"m{number}.py" for number in range(6)]
    write(root, {name: CALL for name in names})
    async with opened(root) as bench:
        judged = await judge(bench, *names)
        assert all(codes(judged, name, Pass.SECURITY) == ["B404", "B602", "B607"] for name in names)
    assert asked.read == set(names)


def test_the_bytes_of_two_thousand_files_do_not_stay_in_memory(root: Path) -> None:
    content = b"# " + b"x" * 9_000 + b"\n"
    names = [f"f{number}.py" for number in range(2000)]
    for name in names:
        (root / name).write_bytes(content)

    async def judge_all() -> tuple[int, int, int]:
        async with opened(root, Settings(passes=(Pass.OPTIMIZE,)), Memory.NONE) as bench:
            tracemalloc.start()
            kept = [await judge(bench, *names[start : start + 500]) for start in range(0, len(names), 500)]
            # What the event loop's own cycles hold goes with the next collection.
            gc.collect()
            return sum(len(judged.outcomes) for judged in kept), *tracemalloc.get_traced_memory()

    try:
        judged, held, most = anyio.run(judge_all)
    finally:
        tracemalloc.stop()
    assert judged == 2000
    assert held < 4 << 20
    assert most < 16 << 20
