"""Every shell script of the project is clean, and says what it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SCRIPTS = sorted(
    path
    for folder in ("scripts", "tests", ".ci")
    for path in (TOP / folder).rglob("*")
    if path.is_file() and (path.suffix == ".sh" or path.parent.name == ".ci")
)


def name(path: Path) -> str:
    return str(path.relative_to(TOP))


def test_the_scripts_that_the_readme_names_are_among_them() -> None:
    assert {"scripts/start-docker.sh", "scripts/run.sh", "tests/docker/run.sh"} <= {*map(name, SCRIPTS)}


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    command = [str(SHELLCHECK), "--external-sources", name(script)]
    checked = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_a_script_can_be_run_and_ends_at_its_first_error(script: Path) -> None:
    lines = script.read_text().splitlines()
    if lines[0].startswith("# shellcheck shell="):
        # A part of another script.
        return
    assert lines[0] == "#!/usr/bin/env bash"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in lines


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run start-docker.sh."""
    command = [str(TOP / "scripts/start-docker.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_start_docker_refuses_more_than_a_path_and_shows_its_usage() -> None:
    ended = run("one", "two")
    assert ended.returncode == 2
    assert "start-docker.sh [PATH] [stop]" in ended.stderr
