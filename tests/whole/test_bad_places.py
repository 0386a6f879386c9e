"""Bad configuration, hostile trees and missing engines get a clear answer too."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import answer
from tests.whole.bad_tree import CALL, GOOD
from tests.whole.program import codes, run, watching


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "good.py").write_bytes(GOOD)
    (folder / "call.py").write_bytes(CALL)
    return folder


def judge(root: Path) -> tuple[int, Any]:
    """Exit code and report of a check in this process."""
    return answer("check", "--format", "json", str(root))


def test_every_settings_fault_is_named_at_once_with_its_file_and_key(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.konivrer-watch]\nfixx = 1\ndebounce_ms = 'a'\n")
    (root / "konivrer-watch.toml").write_text("log_keep = 0\n")
    environment = {"KONIVRER_WATCH_PULL": "maybe"}
    wanted = [
        "pyproject.toml: fixx: is not a setting",
        "pyproject.toml: debounce_ms: must be",
        "konivrer-watch.toml: log_keep: must be",
        "environment: KONIVRER_WATCH_PULL: must be",
    ]
    for command in ([], ["check"], ["config"]):
        ended = run(*command, root, environment=environment)
        assert (ended.returncode, ended.stdout) == (2, b"")
        assert [fault for fault in wanted if fault not in ended.stderr.decode()] == []


def test_an_invalid_pyproject_stops_the_check_with_file_and_line(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.ruff]\nline-length = \n")
    ended = run("check", root)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.startswith(b"konivrer-watch: pyproject.toml: not valid TOML")
    assert b"line 2" in ended.stderr


def test_an_invalid_configuration_of_a_folder_costs_that_folder_one_pass(root: Path) -> None:
    (root / "pkg").mkdir()
    (root / "pkg" / "call.py").write_bytes(CALL)
    (root / "pkg" / "pyproject.toml").write_text("[tool.ruff\n")
    code, found = judge(root)
    assert (code, found["complete"]) == (1, False)
    assert codes(found, "good.py") == {"F401"}
    assert codes(found, "pkg/call.py") == {"B404", "B602"}
    blamed = {(each["path"], each["pass"]) for each in found["problems"]}
    assert blamed
    assert all(path.startswith("pkg/") and pass_ == "lint" for path, pass_ in blamed)
    assert all("pyproject.toml" in each["message"] for each in found["problems"])


@pytest.mark.parametrize(
    ("name", "text", "pass_"),
    [
        ("ruff.toml", "line-length = 'x'\n", "lint"),
        ("pyproject.toml", "[tool.ruff]\nline-length = 'x'\n", "lint"),
        ("pyproject.toml", "[tool.bandit]\ntests = 3\n", "security"),
        ("bandit.yaml", "tests: [\n", "security"),
        (".bandit", "[bandit\n", "security"),
    ],
)
def test_an_invalid_configuration_of_one_engine_leaves_the_other_its_findings(
    root: Path, name: str, text: str, pass_: str
) -> None:
    (root / name).write_text(text)
    code, found = judge(root)
    assert (code, found["complete"]) == (1, False)
    assert {each["pass"] for each in found["problems"]} == {pass_}
    assert {each["pass"] for each in found["findings"]} == {"lint", "security"} - {pass_}
    assert any(name in each["message"] for each in found["problems"])


MARKER = "import pathlib\npathlib.Path({!r}).write_text(__name__)\n"
MODULES = ("pickle", "yaml", "ast", "sitecustomize", "usercustomize", "signal", "msgspec", "ruff", "json")
PACKAGES = ("anyio", "bandit", "konivrer_watch", "click", "encodings")


def test_modules_of_the_root_are_never_imported_nor_its_programs_run(root: Path) -> None:
    marker = root.parent / "imported"
    text = MARKER.format(str(marker))
    for name in MODULES:
        (root / f"{name}.py").write_text(text)
    for name in PACKAGES:
        (root / name).mkdir()
        (root / name / "__init__.py").write_text(text)
    for name in ("ruff", "git", "bandit.sh"):
        (root / name).write_text(f"#!/bin/sh\necho ran > '{marker}'\n")
        (root / name).chmod(0o755)
    search_path = f".:{os.environ['PATH']}"
    ended = run("check", cwd=root, environment={"PATH": search_path})
    assert ended.returncode == 1
    assert b"good.py:1:8: F401" in ended.stdout
    with watching(root) as watcher:
        watcher.wait_for(lambda line: line.startswith("checked "))
    assert not marker.exists()


@pytest.fixture
def lone_program(tmp_path: Path) -> list[str]:
    """The program under a Python that has no ruff beside it."""
    folder = tmp_path / "lone"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    library = next((folder / "lib").iterdir()) / "site-packages"
    package = next(path for path in sys.path if (Path(path) / "msgspec").is_dir())
    checkout = Path(__file__).parents[2]
    (library / "lone.pth").write_text(f"{package}\n{checkout}\n")
    return [str(folder / "bin" / "python"), "-I", "-c", "from konivrer_watch.cli.main import main; main()"]


def check_alone(program: list[str], cwd: Path, search_path: str) -> tuple[int, bytes, bytes]:
    env = {**os.environ, "PATH": search_path}
    ended = subprocess.run(
        [*program, "check", "--format", "json"],
        cwd=cwd,
        env=env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_without_ruff_the_other_passes_answer_and_each_file_says_how_to_get_it(
    root: Path, lone_program: list[str]
) -> None:
    code, out, errors = check_alone(lone_program, root, "/nonexistent")
    assert errors == b""
    answer = json.loads(out)
    assert (code, answer["complete"]) == (1, False)
    assert codes(answer, "call.py") == {"B404", "B602"}
    asked = {(each["path"], each["pass"], "install" in each["hint"]) for each in answer["problems"]}
    assert asked == {("good.py", "lint", True), ("call.py", "lint", True)}


def test_a_ruff_that_lies_in_the_root_is_not_run_even_if_the_search_path_leads_there(
    root: Path, lone_program: list[str]
) -> None:
    marker = root.parent / "ran"
    (root / "ruff").write_text(f"#!/bin/sh\necho ran > '{marker}'\necho ruff 0.17.6\n")
    (root / "ruff").chmod(0o755)
    check_alone(lone_program, root, ".:")
    assert not marker.exists()


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/nonexistent/shell\n", "\x7fELF"])
def test_a_broken_ruff_costs_its_own_pass_only(root: Path, lone_program: list[str], script: str) -> None:
    folder = root.parent / "bin"
    folder.mkdir()
    (folder / "ruff").write_text(script)
    (folder / "ruff").chmod(0o755)
    code, out, errors = check_alone(lone_program, root, str(folder))
    assert b"Traceback" not in errors
    answer = json.loads(out)
    assert (code, answer["complete"]) == (1, False)
    assert codes(answer, "call.py") == {"B404", "B602"}
