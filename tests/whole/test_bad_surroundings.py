"""Permissions, owners, homes, state folders and outputs that are not as they should be."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import answer
from tests.whole.bad_tree import CALL, GOOD
from tests.whole.program import PROGRAM, calm, codes, report, run

POWERLESS = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
"""Runs a command as root without root's power over permissions."""


def powerless() -> Sequence[str]:
    """What to run a command through so that permissions hold for it."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv (util-linux) to give that up")
    return POWERLESS


LEVELS = {"error": 1, "never": 0}


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


def assert_judged(root: Path) -> None:
    """The two files of ``root`` have the findings of both engines, and there are no others."""
    code, found = judge(root)
    assert (code, found["complete"], found["problems"]) == (1, True, [])
    assert codes(found, "good.py") == {"F401"}
    assert codes(found, "call.py") == {"B404", "B602", "F821"}
    assert {each["path"] for each in found["findings"]} == {"good.py", "call.py"}


def test_what_may_not_be_read_is_named_and_the_rest_is_judged(root: Path) -> None:
    before = powerless()
    (root / "closed.py").write_bytes(GOOD)
    (root / "closed.py").chmod(0)
    (root / "closed").mkdir()
    (root / "closed" / "inside.py").write_bytes(GOOD)
    (root / "closed").chmod(0)
    code, answer = report(root, before=before)
    (root / "closed").chmod(0o700)
    assert (code, answer["complete"]) == (1, False)
    assert codes(answer, "good.py") == {"F401"}
    (problem,) = answer["problems"]
    assert (problem["path"], problem["message"]) == ("closed.py", "cannot be read: Permission denied")
    assert "permission" in problem["hint"]
    assert {skip["path"] for skip in answer["skipped"]} == {"closed.py", "closed"}


def test_a_root_that_may_not_be_read_is_a_usage_error(root: Path) -> None:
    before = powerless()
    root.chmod(0)
    ended = run("check", root, before=before)
    root.chmod(0o700)
    assert ended.returncode == 2
    assert b"cannot be read; check its permissions" in ended.stderr


def test_a_state_folder_that_may_not_be_written_stops_the_watch_but_no_check(root: Path) -> None:
    before = powerless()
    closed = root.parent / "closed"
    closed.mkdir(mode=0o500)
    environment = {"KONIVRER_WATCH_STATE_DIR": str(closed)}
    ended = run("check", "--format", "json", root, before=before, environment=environment)
    assert (ended.returncode, codes(json.loads(ended.stdout), "good.py")) == (1, {"F401"})
    assert f"{closed}/verdicts.db".encode() in ended.stderr
    ended = run(root, before=before, environment=environment)
    assert ended.returncode == 70
    assert ended.stdout == b""
    assert f"{closed}/".encode() in ended.stderr
    assert b"Permission denied" in ended.stderr
    assert run("status", root, before=before, environment=environment).returncode == 3


def test_a_tree_of_another_user_is_judged_by_its_ignore_rules(root: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    subprocess.run(["git", "init", "-q", root], check=True, timeout=20)
    (root / ".gitignore").write_text("ignored.py\n")
    (root / "ignored.py").write_bytes(GOOD)
    subprocess.run(["chown", "-R", "65534:65534", root], check=True, timeout=20)
    assert_judged(root)


def test_a_root_below_gits_top_obeys_the_ignore_files_above_it(root: Path) -> None:
    subprocess.run(["git", "init", "-q", root.parent], check=True, timeout=20)
    (root.parent / ".gitignore").write_text("root/ignored.py\n")
    (root / "ignored.py").write_bytes(GOOD)
    assert_judged(root)


def test_a_state_folder_inside_the_root_is_neither_judged_nor_watched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(root / ".state"))
    (root / ".state").mkdir()
    (root / ".state" / "own.py").write_bytes(GOOD)
    assert_judged(root)


@pytest.mark.parametrize("home", ["", "relative", "/nonexistent", None])
def test_a_missing_home_is_no_obstacle(root: Path, monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    assert_judged(root)


def test_an_empty_environment_is_no_obstacle(root: Path) -> None:
    state = {"KONIVRER_WATCH_STATE_DIR": os.environ["KONIVRER_WATCH_STATE_DIR"]}
    ended = subprocess.run(
        [PROGRAM, "check", str(root)], env=state, capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_changes_neither_exit_code_nor_leaves_noise(
    root: Path, unbuffered: str
) -> None:
    # More than a pipe holds, so that the program still writes when its reader leaves.
    (root / "many.py").write_text("".join([f"import m{number}\n" for number in range(4000)]))
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        [PROGRAM, "check", str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.parametrize(("arguments", "code"), [(["check"], 1), (["config"], 0), (["status"], 3), ([], 0)])
def test_a_reader_that_was_never_there_is_no_fault(root: Path, arguments: list[str], code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    env = {**calm(), "PYTHONUNBUFFERED": ""}
    command = [PROGRAM, *arguments, str(root)]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=env, timeout=60, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (code, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["check"], [], ["config"], ["status"], ["--help"]])
def test_a_full_disk_under_the_output_is_said_without_a_traceback(root: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        command = [PROGRAM, *arguments] + ([] if "--help" in arguments else [str(root)])
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=calm(), timeout=60, check=False
        )
    assert ended.returncode == 70
    assert b"No space left on device" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_closed_standard_streams_are_no_obstacle(root: Path) -> None:
    script = f'exec "{PROGRAM}" check --fail-on {{}} "{root}" <&- >&- 2>&-'
    ended = [subprocess.run(["sh", "-c", script.format(bar)], timeout=60, check=False) for bar in LEVELS]
    assert [each.returncode for each in ended] == list(LEVELS.values())
