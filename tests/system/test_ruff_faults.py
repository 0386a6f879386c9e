"""What a bad file, a bad configuration or a bad ruff costs, and whom."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.errors import EngineDiedError, EngineMissingError
from konivrer_watch.core.model import Problem, ProblemKind, Verdict
from konivrer_watch.system import ruff as ruff_module
from konivrer_watch.system.ruff import find_ruff
from tests.ruff_tree import RUFF, engine, jobs, ruff_says, write

CHAIN = "a" + ".b" * 8000 + "\n"
STAND_IN = """#!{python}
import os, sys, time
paths = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
if {fault!r} == "silent" and "bad.py" in paths:
    time.sleep(60)
if {fault!r} == "endless" and "bad.py" in paths:
    while True:
        sys.stdout.write("[" * 65536)
if {fault!r} == "killed once" and "bad.py" in paths and not os.path.exists("../killed"):
    open("../killed", "w").close()
    os.kill(os.getpid(), 9)
if {fault!r} == "killed" and "bad.py" in paths:
    os.kill(os.getpid(), 9)
if {fault!r} == "killed over comments" and "--ignore-noqa" in sys.argv:
    os.kill(os.getpid(), 9)
if {fault!r} == "in want" and "bad.py" in paths:
    sys.stderr.write("memory allocation of 4096 bytes failed\\n")
    os.abort()
if {fault!r} == "panics" and "bad.py" in paths:
    sys.exit(101)
if {fault!r} == "garbled" and "bad.py" in paths:
    sys.stdout.write("[{{")
    sys.exit(1)
os.execv({ruff!r}, [{ruff!r}, *sys.argv[1:]])
"""


def stand_in(folder: Path, fault: str) -> Path:
    """Write a program that is ruff but for one fault of the file ``bad.py``."""
    program = folder / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable, ruff=os.fspath(RUFF), fault=fault))
    program.chmod(0o755)
    return program


def check(
    root: Path, home: Path, names: list[str], binary: Path = RUFF, deadline: float = 20.0
) -> dict[str, Verdict]:
    paths = [os.fsencode(name) for name in names]
    ruff = engine(home, binary, deadline)
    verdicts = anyio.run(ruff.check, os.fsencode(root), jobs(root, home, paths))
    return {os.fsdecode(path): verdict for path, verdict in verdicts.items()}


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_a_file_that_kills_ruff_is_quarantined_and_the_rest_is_answered(tmp_path: Path) -> None:
    names = [f"m{number}.py" for number in range(20)]
    write(tmp_path, {name: "import os\n" for name in names})
    write(tmp_path, {"m7.py": CHAIN, "m13.py": CHAIN + "# noqa\n"})
    verdicts = check(tmp_path, tmp_path, names)
    assert set(verdicts) == set(names)
    for name, verdict in verdicts.items():
        if name in {"m7.py", "m13.py"}:
            assert verdict.problem is not None
            assert verdict.problem.kind is ProblemKind.QUARANTINED
            assert "signal 6" in verdict.problem.message
        else:
            assert (codes(verdict), verdict.problem) == (["F401"], None)


@pytest.mark.parametrize(
    ("fault", "told"),
    [("endless", "more than 1 MB"), ("garbled", "exit code 1"), ("panics", "exit code 101")],
)
def test_a_file_ruff_gives_no_report_on_is_quarantined(
    tmp_path: Path, fault: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of_bad(tmp_path, fault, monkeypatch)
    assert problem.kind is ProblemKind.QUARANTINED
    assert told in problem.message


@pytest.mark.parametrize(
    ("fault", "told"),
    [("silent", "no answer within 0.4 s"), ("killed", "signal 9"), ("in want", "signal 6")],
)
def test_a_file_for_which_ruff_lacked_time_or_memory_or_was_killed_is_asked_again(
    tmp_path: Path, fault: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of_bad(tmp_path, fault, monkeypatch)
    assert problem.kind is ProblemKind.ENGINE
    assert problem.hint.startswith("it is tried again at the next save")
    assert told in problem.message


def problem_of_bad(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """What is told of ``bad.py``, while its neighbour is answered."""
    monkeypatch.setattr(ruff_module, "_REPORT_LIMIT", 1 << 20)
    root = tmp_path / "tree"
    write(root, {"bad.py": "import os\n", "good.py": "import os\n"})
    verdicts = check(root, tmp_path, ["bad.py", "good.py"], stand_in(tmp_path, fault), 0.4)
    assert codes(verdicts["good.py"]) == ["F401"]
    problem = verdicts["bad.py"].problem
    assert problem is not None
    return problem


def test_a_run_that_was_killed_from_outside_is_run_again(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write(root, {"bad.py": "import os\n"})
    verdicts = check(root, tmp_path, ["bad.py"], stand_in(tmp_path, "killed once"))
    assert (tmp_path / "killed").exists()
    assert (codes(verdicts["bad.py"]), verdicts["bad.py"].problem) == (["F401"], None)


def test_a_count_of_what_comments_silence_that_failed_for_now_is_no_zero(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write(root, {"bad.py": "import os  # noqa\nimport re\n"})
    verdict = check(root, tmp_path, ["bad.py"], stand_in(tmp_path, "killed over comments"))["bad.py"]
    assert (codes(verdict), verdict.problem and verdict.problem.kind) == (["F401"], ProblemKind.ENGINE)
    assert check(root, tmp_path, ["bad.py"])["bad.py"].suppressed == 1


def test_cancelling_ends_ruff(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write(root, {"bad.py": ""})
    program = stand_in(tmp_path, "silent")
    program.write_text(
        program.read_text().replace(
            "time.sleep(60)", "print(os.getpid(), flush=True, file=open('pid', 'w')); time.sleep(60)"
        )
    )

    async def cancelled() -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(
                engine(tmp_path, program).check, os.fsencode(root), jobs(root, tmp_path, [b"bad.py"])
            )
            with anyio.fail_after(10):
                while not (pid := (root / "pid").read_text() if (root / "pid").exists() else ""):
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        return int(pid)

    for backend in ("asyncio", "trio"):
        (root / "pid").unlink(missing_ok=True)
        pid = anyio.run(cancelled, backend=backend)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_configuration_ruff_refuses_costs_its_own_files_only(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.py": "import os\n", "good/b.py": "import os\n", "good/ruff.toml": "lint.select = ['F']"}
    )
    write(tmp_path, {"bad/c.py": "import os\n", "bad/ruff.toml": "line-length = 'long'"})
    write(tmp_path, {"worse/d.py": "import os\n", "worse/ruff.toml": "lint.select = ['NONE1']"})
    verdicts = check(tmp_path, tmp_path, ["a.py", "good/b.py", "bad/c.py", "worse/d.py"])
    assert codes(verdicts["a.py"]) == codes(verdicts["good/b.py"]) == ["F401"]
    for name, told in (("bad/c.py", "bad/ruff.toml"), ("worse/d.py", "NONE1")):
        problem = verdicts[name].problem
        assert problem is not None
        assert problem.kind is ProblemKind.CONFIGURATION
        assert told in problem.message
        assert "\n" not in problem.message
    bad = verdicts["bad/c.py"].problem
    assert bad is not None
    assert 'invalid type: string "long", expected i64' in bad.message


@pytest.mark.parametrize("folder", ["bad", "a [b]* {c}", "x/y"])
def test_a_bad_configuration_hides_no_files_elsewhere(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {"a.py": "", "a.txt": "", "skip/a.py": "", "ruff.toml": "extend-exclude = ['skip']"})
    write(tmp_path, {f"{folder}/b.py": "", f"{folder}/c.txt": "", f"{folder}/ruff.toml": "[lint"})
    write(tmp_path, {"also/pyproject.toml": "[tool.ruff", "also/d.pyi": ""})
    members = anyio.run(engine(tmp_path).show_files, os.fsencode(tmp_path))
    assert set(members.faulty) == {folder.encode(), b"also"}
    assert members.problem is not None
    counted = {f"{folder}/b.py".encode(), b"a.py", b"also/d.pyi"}
    other = {f"{folder}/c.txt".encode(), b"a.txt", b"skip/a.py"}
    assert {path for path in counted | other if path in members} == counted


def test_a_bad_configuration_at_the_root_leaves_the_default_files(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "", "b.txt": "", "ruff.toml": "select = 1"})
    members = anyio.run(engine(tmp_path).show_files, os.fsencode(tmp_path))
    assert members.faulty == (b"",)
    assert b"a.py" in members
    assert b"b.txt" not in members


def test_a_missing_ruff_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.py": "import os  # noqa\n"})
    with pytest.raises(EngineMissingError, match="cannot be started"):
        check(tmp_path, tmp_path, ["a.py"], tmp_path / "none")
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "python"))
    with pytest.raises(EngineMissingError, match="-m pip install ruff"):
        find_ruff(os.fspath(tmp_path))
    assert find_ruff(os.fspath(RUFF.parent)) == RUFF


@pytest.mark.parametrize("search_path", [".", "", ":", "bin", "./bin:", None])
def test_a_ruff_in_the_current_directory_is_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_path: str | None
) -> None:
    for place in (tmp_path / "ruff", tmp_path / "bin/ruff"):
        write(place.parent, {"ruff": "#!/bin/sh\n"})
        place.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "none/python"))
    with pytest.raises(EngineMissingError):
        find_ruff(search_path)


def test_another_program_is_no_ruff(tmp_path: Path) -> None:
    ruff = engine(tmp_path, Path("/bin/true"))
    with pytest.raises(EngineDiedError, match="version"):
        anyio.run(ruff.version)


def test_a_thousand_files_are_answered(tmp_path: Path) -> None:
    names = [f"folder{number % 7}/{'long' * 40}{number}.py" for number in range(1100)]
    write(tmp_path, {name: "import os\n" for name in names})
    verdicts = check(tmp_path, tmp_path, names)
    assert len(verdicts) == 1100
    assert len(ruff_says(tmp_path, tmp_path)) == sum(len(verdict.findings) for verdict in verdicts.values())
