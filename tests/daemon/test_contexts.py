"""Engines that are missing, broken or exchanged; settings they refuse; surroundings that change."""

import threading
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.errors import EngineMissingError, UsageFault
from konivrer_watch.core.model import Pass, Problem, ProblemKind
from konivrer_watch.core.settings import OptimizeChoice, Settings
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon import contexts
from konivrer_watch.report.verdicts import Report, exit_code
from tests.cli.running import invoke
from tests.daemon.bench import checked, codes, judge, opened, read_again
from tests.ruff_tree import RUFF, write

CALL = "import subprocess\n\nsubprocess.call(input(), shell=True)\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    write(root, {"a.py": "import os\n", "call.py": CALL, "stub.pyi": "import os\n"})
    return root


def install(monkeypatch: pytest.MonkeyPatch, path: Path, script: str) -> Path:
    """Make a script the ruff that is found."""
    path.write_text(script)
    path.chmod(0o755)
    monkeypatch.setattr(contexts, "find_ruff", lambda search_path: path)
    return path


def lint_problems(report: Report) -> dict[bytes, Problem]:
    return {path: problem for path, pass_, problem in report.problems if pass_ is Pass.LINT}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/bin/sh\necho garbage\n", "does not tell its version: ended with exit code 0"),
        ("#!/bin/sh\nexit 1\n", "does not tell its version: ended with exit code 1"),
        ("#!/bin/sh\nkill -SEGV $$\n", "does not tell its version: died of signal 11"),
        ("#!/nonexistent/sh\n", "ruff cannot be started: "),
        ("\x7fELF", "ruff cannot be started: "),
    ],
)
def test_a_broken_ruff_is_a_problem_of_each_file_and_costs_the_other_passes_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    install(monkeypatch, tmp_path / "ruff", script)
    report = checked(root)
    problems = lint_problems(report)
    assert set(problems) == {b"a.py", b"call.py", b"stub.pyi"}
    assert all(each.kind is ProblemKind.ENGINE and told in each.message for each in problems.values())
    assert all("pip install --force-reinstall ruff" in each.hint for each in problems.values())
    assert {finding.pass_ for _, finding in report.findings} == {Pass.SECURITY}
    assert (report.complete, exit_code(report, "error"), exit_code(report, "never")) == (False, 1, 3)


def test_without_ruff_each_file_says_so_and_nothing_of_it_is_remembered(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(search_path: str | None) -> Path:
        raise EngineMissingError("nowhere")

    with monkeypatch.context() as patch:
        patch.setattr(contexts, "find_ruff", missing)
        problems = lint_problems(checked(root))
        assert set(problems) == {b"a.py", b"call.py", b"stub.pyi"}
        assert all("ruff is not installed" in each.message for each in problems.values())
    report = checked(root)
    assert report.complete
    assert ("F401", b"a.py") in {(finding.code, path) for path, finding in report.findings}


@pytest.mark.anyio
async def test_a_ruff_that_breaks_on_the_way_is_to_blame_for_what_it_does_not_answer(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    script = f'#!/bin/sh\n[ -e "{broken}" ] && kill -ABRT $$\nexec "{RUFF}" "$@"\n'
    install(monkeypatch, tmp_path / "ruff", script)
    async with opened(root) as bench:
        broken.touch()
        judged = await judge(bench, "a.py", "call.py")
        kinds = {each.verdicts[Pass.LINT].problem for each in judged.outcomes}
        assert {each.kind for each in kinds if each} == {ProblemKind.ENGINE}
        broken.unlink()
        assert codes(await judge(bench, "a.py"), "a.py", Pass.LINT) == ["F401"]


@pytest.mark.anyio
async def test_another_ruff_in_the_place_of_one_is_noticed_and_judges_everything_anew(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = install(monkeypatch, tmp_path / "ruff", f'#!/bin/sh\nexec "{RUFF}" "$@"\n')
    async with opened(root) as bench:
        first = await judge(bench, "a.py")
        assert Pass.LINT in first.outcomes[0].ran
        assert not bench.contexts.surroundings_changed()
        newer = f'#!/bin/sh\n[ "$1" = --version ] && echo ruff 99.0.0 && exit\nexec "{RUFF}" "$@"\n'
        install(monkeypatch, place, newer)
        assert bench.contexts.surroundings_changed()
        # Until its version is known, nothing it says is kept or told.
        write(root, {"a.py": "import re\n"})
        judged = await judge(bench, "a.py")
        assert ([entry.path for entry in judged.again], judged.context_is_old) == ([b"a.py"], True)
        await read_again(bench)
        second = await judge(bench, "a.py")
        assert (codes(second, "a.py", Pass.LINT), Pass.LINT in second.outcomes[0].ran) == (["F401"], True)


@pytest.mark.anyio
async def test_ruff_is_found_once_it_is_installed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = contexts.__dict__["find_ruff"]

    def missing(search_path: str | None) -> Path:
        raise EngineMissingError("nowhere")

    monkeypatch.setattr(contexts, "find_ruff", missing)
    async with opened(root) as bench:
        judged = await judge(bench, "a.py")
        known = {b"a.py": FileState(judged.outcomes[0].keys, judged.outcomes[0].verdicts)}
        assert not bench.contexts.surroundings_changed()
        monkeypatch.setattr(contexts, "find_ruff", real)
        assert bench.contexts.surroundings_changed()
        files = {b"a.py": (await read_again(bench))[b"a.py"]}
        assert bench.judge.stale(files, known) == [b"a.py"]
        assert codes(await judge(bench, "a.py"), "a.py", Pass.LINT) == ["F401"]


@pytest.mark.anyio
async def test_ruff_is_not_asked_for_anything_where_lint_is_not_wanted(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "ran"
    install(monkeypatch, tmp_path / "ruff", f"#!/bin/sh\ntouch '{marker}'\n")
    async with opened(root, Settings(passes=(Pass.OPTIMIZE, Pass.SECURITY))) as bench:
        judged = await judge(bench, "call.py")
        assert set(judged.outcomes[0].verdicts) == {Pass.OPTIMIZE, Pass.SECURITY}
        assert bench.contexts.faults == ()
    assert not marker.exists()


@pytest.mark.parametrize("key", ["select", "ignore", "opt_in"])
def test_a_selector_that_names_no_rule_is_a_fault_that_names_its_key(root: Path, key: str) -> None:
    (root / "konivrer-watch.toml").write_text(f"optimize.{key} = ['OPT1', 'NIX']\n")
    with pytest.raises(UsageFault, match=rf"optimize\.{key}: 'NIX' selects no rule") as fault:
        invoke("check", str(root))
    assert fault.value.exit_code == 2
    choice = {"select": OptimizeChoice(select=("OPT1",)), "ignore": OptimizeChoice(ignore=("OPT1",))}
    if key in choice:
        assert checked(root, Settings(optimize=choice[key])).complete


@pytest.mark.anyio
async def test_a_configuration_that_no_file_lies_under_is_named_too(root: Path) -> None:
    write(root, {"empty/ruff.toml": "lint.select = 'F'\n"})
    async with opened(root) as bench:
        (fault,) = bench.contexts.faults
        assert (fault.path, fault.pass_, fault.problem.kind) == (
            b"empty/ruff.toml",
            Pass.LINT,
            ProblemKind.CONFIGURATION,
        )


@pytest.mark.anyio
async def test_a_cancelled_reading_is_cancelled_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, leave = threading.Event(), threading.Event()

    def read(*arguments: object) -> tuple[None, tuple[()]]:
        reading.set()
        assert leave.wait(10)
        return None, ()

    async def listen(*arguments: object) -> None:
        await anyio.sleep_forever()

    async with opened(root) as bench:
        before = bench.contexts.current
        monkeypatch.setattr(contexts, "read_security", read)
        monkeypatch.setattr(bench.contexts, "_ask_ruff", listen)
        async with anyio.create_task_group() as group:
            group.start_soon(bench.contexts.read, [b"a.py"])
            while not reading.is_set():
                await anyio.sleep(0.005)
            # ruff's part ends at once, while this thread is still at it.
            group.cancel_scope.cancel()
            leave.set()
        assert bench.contexts.current is before
