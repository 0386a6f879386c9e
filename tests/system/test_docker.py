"""What is made of Docker's answers. Docker itself is a script here; tests/docker/run.sh asks the real one."""

import json
import os
from pathlib import Path

import pytest

from konivrer_watch.system.docker import Docker, DockerFault


def pretend(folder: Path, name: str, body: str) -> dict[str, str]:
    """Put a program there; return the environment that finds it and the shell's own tools."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin" if name == "docker" else str(folder)}


def test_a_missing_docker_is_named(tmp_path: Path) -> None:
    with pytest.raises(DockerFault, match="docker is not installed") as fault:
        Docker({"PATH": str(tmp_path)})
    assert fault.value.exit_code == 2


def test_a_missing_compose_is_named_with_the_packages_that_have_it(tmp_path: Path) -> None:
    pretend(tmp_path, "docker", "exit 1")
    with pytest.raises(DockerFault, match="docker-compose-plugin"):
        Docker({"PATH": str(tmp_path)})


def test_the_older_program_serves_where_docker_has_no_compose_command(tmp_path: Path) -> None:
    pretend(tmp_path, "docker", "exit 1")
    pretend(tmp_path, "docker-compose", 'echo "$@"')
    said = Docker({"PATH": str(tmp_path)}).compose("p", Path("/c.yaml"), b"{}", ("config",))
    assert said.startswith("--project-name p --file /c.yaml --file ")
    assert said.endswith("override.json config\n")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Got permission denied while trying to connect to the daemon socket", "usermod -aG docker"),
        ("Cannot connect to the Docker daemon at unix:///x.", "does not answer; start it"),
    ],
)
def test_a_daemon_that_is_not_for_us_or_not_there_is_told_apart(
    tmp_path: Path, said: str, words: str
) -> None:
    environment = pretend(tmp_path, "docker", f'[ "$1" = compose ] || {{ echo "{said}" >&2; exit 1; }}')
    with pytest.raises(DockerFault, match=words):
        Docker(environment).require_daemon()


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_a_daemon_that_changes_users_is_refused(tmp_path: Path, option: str) -> None:
    environment = pretend(tmp_path, "docker", f'[ "$1" = info ] && echo "[name=seccomp {option}]"; exit 0')
    with pytest.raises(DockerFault, match="could not write your files"):
        Docker(environment).require_daemon()


def test_a_daemon_that_answers_is_enough(tmp_path: Path) -> None:
    Docker(pretend(tmp_path, "docker", "echo 28.2")).require_daemon()


def test_a_failed_build_shows_its_last_words(tmp_path: Path) -> None:
    body = '[ "$1" = compose ] || { seq 100; echo "no space left" >&2; exit 1; }'
    with pytest.raises(DockerFault) as fault:
        Docker(pretend(tmp_path, "docker", body)).build(tmp_path, "image:1")
    lines = str(fault.value).split("\n")
    assert lines[0] == "'docker build …' failed:"
    assert lines[-1] == "no space left"
    assert len(lines) == 21


def test_compose_gets_the_variables_and_both_files_and_leaves_none_behind(tmp_path: Path) -> None:
    body = '[ "$2" = version ] || { echo "$7 $WATCH_ROOT"; cat "$7"; }'
    environment = pretend(tmp_path, "docker", body) | {"WATCH_ROOT": "/r", "TMPDIR": str(tmp_path)}
    said = Docker(environment).compose("p", Path("/c.yaml"), b'{"services": {}}', ("up",))
    first, _, rest = said.partition("\n")
    place, root = first.split()
    assert root == "/r"
    assert json.loads(rest) == {"services": {}}
    assert not Path(place).exists()


def test_a_container_that_is_not_there_has_no_state(tmp_path: Path) -> None:
    environment = pretend(tmp_path, "docker", '[ "$1" = container ] && exit 1; exit 0')
    assert Docker(environment).state("c") is None
    assert Docker(pretend(tmp_path, "docker", "echo running")).state("c") == "running"
