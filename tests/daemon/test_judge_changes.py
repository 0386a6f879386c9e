"""What changes while a file is judged: nothing false is told or stays in the store."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from konivrer_watch.core.model import Pass, Verdict
from konivrer_watch.core.settings import Settings
from konivrer_watch.system import files
from konivrer_watch.system.ruff import LintJob, Ruff
from konivrer_watch.system.workers import Workers
from tests.daemon.bench import checked, codes, judge, opened, read_again
from tests.ruff_tree import write

UNUSED = "import os\n"
CLEAN = "x = 1\n\n"
CALL = "import subprocess\n\nsubprocess.call('ls', shell=True)\n"
SORTED = "[tool.ruff.lint]\nselect = ['I']\n"
BLOCK = "import attr\nimport helpers\n\nprint(attr, helpers)\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    return root


@pytest.fixture
def during_lint(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], object]]:
    """Acts to be done before and after ruff's next run."""
    acts: dict[str, Callable[[], object]] = {}
    check = Ruff.check

    async def checking(this: Ruff, root: bytes, jobs: Sequence[LintJob]) -> dict[bytes, Verdict]:
        acts.pop("before", int)()
        verdicts = await check(this, root, jobs)
        acts.pop("after", int)()
        return verdicts

    monkeypatch.setattr(Ruff, "check", checking)
    return acts


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.anyio
async def test_a_file_that_changes_while_it_is_judged_comes_back_and_its_lint_is_not_kept(
    root: Path, during_lint: dict[str, Callable[[], object]], moment: str
) -> None:
    write(root, {"a.py": UNUSED, "b.py": UNUSED})
    async with opened(root) as bench:
        during_lint[moment] = lambda: write(root, {"a.py": CLEAN})
        judged = await judge(bench, "a.py", "b.py")
        assert [entry.path for entry in judged.again] == [b"a.py"]
        assert [outcome.path for outcome in judged.outcomes] == [b"b.py"]
        assert not judged.context_is_old
        assert b"a.py" not in bench.judge.records
        write(root, {"a.py": UNUSED})
        judged = await judge(bench, "a.py")
        assert codes(judged, "a.py", Pass.LINT) == ["F401"]
        assert Pass.LINT in judged.outcomes[0].ran


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        ({"pyproject.toml": "[tool.ruff.lint]\nselect = ['F']\n"}, {"pyproject.toml": SORTED}),
        ({"helpers.py": ""}, {}),
        ({"ruff.toml": "lint.select = ['D']\n"}, {}),
    ],
    ids=["its configuration", "a module it imports", "a nearer configuration"],
)
@pytest.mark.anyio
async def test_what_ruff_says_while_something_around_a_file_changes_is_not_kept(
    root: Path,
    during_lint: dict[str, Callable[[], object]],
    change: dict[str, str | bytes],
    undo: dict[str, str | bytes],
) -> None:
    write(root, {"pyproject.toml": SORTED, "a.py": BLOCK})
    async with opened(root) as bench:
        during_lint["before"] = lambda: write(root, change)
        judged = await judge(bench, "a.py")
        assert ([entry.path for entry in judged.again], judged.context_is_old) == ([b"a.py"], True)
        assert judged.outcomes == ()
        for name in change:
            (root / name).unlink()
        write(root, undo)
        await read_again(bench)
        judged = await judge(bench, "a.py")
        # Both modules look like someone else's: one block, in order.
        assert codes(judged, "a.py", Pass.LINT) == []
        assert Pass.LINT in judged.outcomes[0].ran


@pytest.mark.anyio
async def test_a_configuration_that_changes_and_is_back_before_ruff_ends_is_noticed(
    root: Path, during_lint: dict[str, Callable[[], object]]
) -> None:
    write(root, {"pyproject.toml": SORTED, "a.py": UNUSED})
    async with opened(root) as bench:
        during_lint["before"] = lambda: write(root, {"pyproject.toml": SORTED.replace("'I'", "'F'")})
        during_lint["after"] = lambda: write(root, {"pyproject.toml": SORTED})
        judged = await judge(bench, "a.py")
        assert (len(judged.again), judged.context_is_old) == (1, True)
        await read_again(bench)
        assert codes(await judge(bench, "a.py"), "a.py", Pass.LINT) == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_check_during_which_a_configuration_changes_answers_by_what_holds_at_its_end(
    root: Path, during_lint: dict[str, Callable[[], object]], moment: str
) -> None:
    write(root, {"pyproject.toml": SORTED, "a.py": UNUSED})
    during_lint[moment] = lambda: write(root, {"pyproject.toml": SORTED.replace("'I'", "'F'")})
    report = checked(root)
    assert ([(path, each.code) for path, each in report.findings], report.complete) == (
        [(b"a.py", "F401")],
        True,
    )


@pytest.fixture
def during_question(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Awaitable[object]]]:
    """Acts to be done before the engine workers' next questions, one before each."""
    acts: list[Callable[[], Awaitable[object]]] = []
    ask = Workers.ask

    async def asking(this: Workers, frame: bytes, setup: bytes) -> bytes:
        if acts:
            await acts.pop(0)()
        return await ask(this, frame, setup)

    monkeypatch.setattr(Workers, "ask", asking)
    return acts


@pytest.mark.anyio
async def test_a_verdict_by_a_configuration_that_is_old_when_it_comes_is_not_told_and_yet_kept_for_its_own(
    root: Path, during_question: list[Callable[[], Awaitable[object]]]
) -> None:
    def skips(code: str) -> None:
        write(root, {"pyproject.toml": f"[tool.bandit]\nskips = ['{code}']\n"})

    skips("B404")
    write(root, {"a.py": CALL})
    async with opened(root, Settings(passes=(Pass.SECURITY,))) as bench:

        async def edited() -> None:
            skips("B602")
            await read_again(bench)

        during_question.append(edited)
        first = await judge(bench, "a.py")
        assert (first.outcomes, [entry.path for entry in first.again]) == ((), [b"a.py"])
        assert not first.context_is_old
        assert codes(await judge(bench, "a.py"), "a.py", Pass.SECURITY) == ["B404", "B607"]
        skips("B404")
        await read_again(bench)
        kept = await judge(bench, "a.py")
        assert codes(kept, "a.py", Pass.SECURITY) == ["B602", "B607"]
        assert Pass.SECURITY not in kept.outcomes[0].ran


@pytest.mark.anyio
async def test_a_verdict_is_told_where_the_configuration_is_back_when_it_comes(
    root: Path, during_question: list[Callable[[], Awaitable[object]]]
) -> None:
    write(root, {"a.py": CALL, "b.pyi": ""})
    async with opened(root, Settings(passes=(Pass.SECURITY,))) as bench:

        async def edited() -> None:
            write(root, {".bandit": "[bandit]\nskips = B602\n"})
            await read_again(bench)
            (root / ".bandit").unlink()
            await read_again(bench)

        during_question.append(edited)
        judged = await judge(bench, "a.py")
        assert (codes(judged, "a.py", Pass.SECURITY), judged.again) == (["B404", "B602", "B607"], ())


@pytest.mark.anyio
async def test_a_file_that_no_pass_looks_at_any_more_when_its_verdict_comes_is_not_told(
    root: Path, during_question: list[Callable[[], Awaitable[object]]]
) -> None:
    write(root, {"a.py": CALL, "large.py": "#" * 2000})
    async with opened(root, Settings(passes=(Pass.SECURITY,), max_file_kb=1)) as bench:

        async def edited() -> None:
            write(root, {"pyproject.toml": "[tool.bandit]\nexclude_dirs = ['a.py', 'large.py']\n"})
            await read_again(bench)

        during_question.append(edited)
        judged = await judge(bench, "a.py", "large.py")
        assert (judged.outcomes, {entry.path for entry in judged.again}) == ((), {b"a.py", b"large.py"})


@pytest.mark.anyio
async def test_a_file_written_just_now_is_remembered_only_once_its_times_can_be_trusted(
    root: Path, monkeypatch: pytest.MonkeyPatch, during_lint: dict[str, Callable[[], object]]
) -> None:
    write(root, {"a.py": UNUSED, "b.py": CLEAN})
    async with opened(root) as bench:
        await judge(bench, "a.py")
        assert dict(bench.judge.records) == {}
        during_lint["before"] = lambda: monkeypatch.setattr(files, "_RACY_NS", 0)
        await judge(bench, "b.py")
        assert set(bench.judge.records) == {b"b.py"}
        await judge(bench, "a.py")
        assert set(bench.judge.records) == {b"a.py", b"b.py"}
