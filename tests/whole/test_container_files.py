"""Dockerfile and compose.yaml: clean by their own tools, and as closed as they promise to be."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from konivrer_watch.core.settings import Settings
from konivrer_watch.report.compose import Stack, variables

TOP = Path(__file__).parents[2]
COMPOSE_TEXT = (TOP / "compose.yaml").read_text()
COMPOSE: Any = yaml.safe_load(COMPOSE_TEXT)
DOCKERFILE = (TOP / "Dockerfile").read_text()
IGNORED = (TOP / ".dockerignore").read_text().splitlines()
SERVICES = ("watch", "monitor")


def ended(*command: str | Path) -> tuple[int, str]:
    """Exit code and output of one of the tools beside our Python."""
    program = Path(sys.executable).with_name(str(command[0]))
    done = subprocess.run(
        [program, *command[1:]], cwd=TOP, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_hadolint_has_nothing_to_say() -> None:
    assert ended("hadolint", "--failure-threshold", "style", "Dockerfile") == (0, "")


def test_compose_yaml_is_one_by_the_compose_specification() -> None:
    code, output = ended("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    assert (code, output.strip()) == (0, "ok -- validation done")


def test_there_are_the_service_and_its_monitor_and_nothing_else() -> None:
    assert set(COMPOSE["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["network_mode"] == "none"
    assert service["user"].startswith("${WATCH_UID:?")
    assert service["init"] is True
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert not {"pid", "ipc", "privileged", "cap_add", "devices", "userns_mode", "ports"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_always_started_again_and_its_output_bounded(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["restart"] == "always"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    # One that is not started with the others, or waits for another, could miss the machine's restart.
    assert not {"depends_on", "profiles"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_every_mount_has_the_same_path_in_the_container(name: str) -> None:
    for volume in COMPOSE["services"][name]["volumes"]:
        assert volume["type"] == "bind"
        assert volume["source"].partition(":?")[0].strip("${}") == volume["target"].strip("${}")


def test_no_container_gets_the_docker_socket() -> None:
    assert "docker.sock" not in COMPOSE_TEXT


def test_the_monitor_cannot_write_the_repository() -> None:
    volumes = {volume["target"]: volume for volume in COMPOSE["services"]["monitor"]["volumes"]}
    assert volumes["${WATCH_TREE}"]["read_only"] is True


def test_health_is_what_status_says() -> None:
    assert COMPOSE["services"]["watch"]["healthcheck"]["test"] == [
        "CMD",
        "konivrer-watch",
        "status",
        "${WATCH_ROOT}",
    ]
    assert re.search(r'^HEALTHCHECK .* CMD \["konivrer-watch", "status"\]$', DOCKERFILE, re.MULTILINE)


def test_exactly_the_variables_that_compose_yaml_names_are_given() -> None:
    stack = Stack(project="p", image="i", root="/r", tree="/r", state="/s", home="/h", uid=1000, gid=1000)
    named = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))
    assert named == set(variables(stack, Settings(), 1))
    # Without a word on what to do, a missing one would become an empty text.
    assert named == set(re.findall(r"\$\{(\w+):\?", COMPOSE_TEXT))


def test_the_image_runs_as_nobody_and_installs_what_is_locked() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert len(stages) == 2
    assert re.search(r"^USER 65534:65534$", stages[-1], re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert all(re.match(r"python:3\.\d+-slim\b", stage) for stage in stages)


def test_all_that_is_copied_into_the_image_and_nothing_else_is_sent_to_its_build() -> None:
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert IGNORED[1:2] == ["*"]
    assert {line[1:] for line in IGNORED if line.startswith("!")} == copied


def test_no_registry_or_mirror_is_named() -> None:
    for text in (DOCKERFILE, COMPOSE_TEXT, *map(Path.read_text, (TOP / "tests/docker").iterdir())):
        assert not re.search(r"https?://|index-url = [^$]", text)
