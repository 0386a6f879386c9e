"""``service … --docker`` with a script in Docker's place; tests/docker/run.sh uses the real one."""

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest

import konivrer_watch
from konivrer_watch.cli import service_docker
from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.core.errors import LeaseHeldError, UsageFault
from konivrer_watch.system.control import Request, serve
from konivrer_watch.system.docker import DockerFault
from konivrer_watch.system.lease import hold_lease
from tests.git_trees import make_git_tree

# Says what it was asked, keeps the generated file, and fails where a file of that name tells it to.
_DOCKER = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >>"$here/asked"
case "$*" in
  "compose version") ;;
  compose*) cp "$7" "$here/override"; env >"$here/variables" ;;
  container*) echo exited ;;
  logs*) echo "the last words" ;;
  "image rm"*) exit 1 ;;
esac
[ ! -e "$here/fails-$1" ] || [ "$*" = "compose version" ]
"""


class Pretended:
    """What the script in Docker's place was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def watch(self) -> Any:
        """The service ``watch`` of the generated file."""
        return json.loads((self.folder / "override").read_text())["services"]["watch"]

    @property
    def variables(self) -> dict[str, str]:
        lines = (self.folder / "variables").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith("WATCH_"))


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(_DOCKER)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(service_docker, "_START_SECONDS", 0.2)
    monkeypatch.setattr(service_docker, "_PAUSE_SECONDS", 0.05)
    # The tests may run as root, whom an installation refuses.
    monkeypatch.setattr(service_docker, "_refuse_root", lambda: None)
    return Pretended(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


@contextlib.contextmanager
def answering(root: Path, **status: object) -> Iterator[None]:
    """A service that answers with this status."""

    async def handle(_: Request) -> bytes:
        return json.dumps(status).encode()

    socket = find_socket(find_state(root, environment()), environment())
    with anyio.from_thread.start_blocking_portal("asyncio") as portal:
        future, _ = portal.start_task(functools.partial(serve, socket, handle))
        yield
        future.cancel()


def test_show_prints_what_compose_makes_of_it_and_touches_nothing(root: Path, docker: Pretended) -> None:
    assert service_docker.show(root) == 0
    assert docker.asked[-1].endswith("override.json config")
    assert not find_state(root, environment()).shared.exists()


def test_a_service_that_does_not_answer_is_told_with_its_last_words(
    root: Path, docker: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert service_docker.install(root) == 1
    errors = capsys.readouterr().err
    assert "is exited and does not answer" in errors
    assert "the last words" in errors


def test_the_image_is_built_before_the_containers_start(root: Path, docker: Pretended) -> None:
    service_docker.install(root)
    (built,) = (number for number, line in enumerate(docker.asked) if line.startswith("build --tag"))
    (started,) = (number for number, line in enumerate(docker.asked) if "up --detach --no-build" in line)
    assert built < started


def test_a_healthy_service_ends_the_waiting(
    root: Path, docker: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(root, state="watching", healthy=True, launcher="docker"):
        assert service_docker.install(root) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{root}: watched in Docker, watching, healthy\n")
    for command in ("konivrer-watch status", "docker logs -f", "service uninstall --docker"):
        assert command in said


def test_a_service_that_stays_degraded_is_told_with_its_reason(
    root: Path, docker: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(root, state="degraded", healthy=False, launcher="docker", reason="deaf"):
        assert service_docker.install(root) == 1
    assert "NOT HEALTHY: deaf" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["version", "build", "compose"])
def test_what_docker_refuses_ends_the_installation(root: Path, docker: Pretended, verb: str) -> None:
    (docker.folder / f"fails-{verb}").touch()
    with pytest.raises(DockerFault):
        service_docker.install(root)


def test_root_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageFault, match="as yourself"):
        service_docker.install(root)


@pytest.mark.parametrize("launcher", ["terminal", "systemd"])
def test_a_root_that_another_watches_is_refused_and_that_one_named(
    root: Path, docker: Pretended, launcher: str
) -> None:
    holder = f"process 1 ({launcher}), since 2026-01-01 00:00:00 UTC"
    lock = find_state(root, environment()).own / "lock"
    with hold_lease(lock, holder), pytest.raises(LeaseHeldError, match=launcher):
        service_docker.install(root)
    assert not [line for line in docker.asked if line.startswith("build")]


def test_an_installed_package_has_no_dockerfile_and_says_so(
    root: Path, docker: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(konivrer_watch, "__file__", str(tmp_path / "lib/konivrer_watch/x.py"))
    with pytest.raises(UsageFault, match="in the checkout") as fault:
        service_docker.install(root)
    assert fault.value.exit_code == 2


def test_a_path_that_cannot_be_mounted_is_refused(tmp_path: Path, docker: Pretended) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    with pytest.raises(UsageFault, match="colon"):
        service_docker.show(folder)


def test_below_gits_top_the_whole_work_tree_is_mounted(root: Path, docker: Pretended) -> None:
    below = root / "below"
    below.mkdir()
    service_docker.show(below)
    assert docker.variables["WATCH_TREE"] == str(root)
    assert docker.variables["WATCH_ROOT"] == str(below)


def test_what_has_a_say_from_outside_is_mounted(
    root: Path, docker: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for folder in ("ruff", "git", "gh"):
        (home / ".config" / folder).mkdir(parents=True)
    (tmp_path / "ruff.toml").touch()
    (home / ".gitconfig").write_text(f"[core]\nexcludesFile = {home}/ignored\n")
    (home / "ignored").touch()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(root)]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=a"], check=True)
    subprocess.run([*git, "worktree", "add", "--quiet", str(tmp_path / "tree")], check=True)
    service_docker.show(tmp_path / "tree")
    mounted = {volume["target"]: volume["read_only"] for volume in docker.watch["volumes"]}
    outside = [home / ".config/ruff", home / ".config/git", home / ".gitconfig", home / "ignored"]
    assert mounted.items() >= dict.fromkeys(map(str, [*outside, tmp_path / "ruff.toml"]), True).items()
    assert mounted[str(root / ".git")] is False
    assert str(home / ".config/gh") not in mounted


def test_settings_in_the_environment_are_handed_on_and_nothing_else(
    root: Path, docker: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_CPU_QUOTA", "25")
    monkeypatch.setenv("TOKEN", "secret")
    service_docker.show(root)
    ours = {"KONIVRER_WATCH_PULL": "false"}
    assert docker.watch["environment"] == {"KONIVRER_WATCH_CPU_QUOTA": "25", **ours}
    assert docker.variables["WATCH_CPUS"] == "0.25"


def test_the_caller_pulls_before_the_containers_start(
    tmp_path: Path, docker: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = make_git_tree(tmp_path)
    service_docker.install(tree.clone)
    assert "pull: updated: " in capsys.readouterr().err
    assert tree.head() == tree.tip()
    assert docker.watch["environment"]["KONIVRER_WATCH_PULL"] == "false"


@pytest.mark.parametrize("how", ["pull = false", "already running"])
def test_nobody_pulls_who_does_not_want_it_or_has_started_before(
    tmp_path: Path, docker: Pretended, how: str
) -> None:
    tree = make_git_tree(tmp_path)
    before = tree.head()
    if how == "pull = false":
        (tree.clone / "konivrer-watch.toml").write_text("pull = false\n")
        service_docker.install(tree.clone)
    else:
        own = find_state(tree.clone, environment()).own
        with hold_lease(own / "lock", "process 7 (docker), since then"):
            service_docker.install(tree.clone)
    assert tree.head() == before


def test_a_setting_that_no_compose_file_can_hold_is_named(
    root: Path, docker: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_EXCLUDE", "\x1b")
    with pytest.raises(UsageFault, match="KONIVRER_WATCH_EXCLUDE"):
        service_docker.show(root)


def test_uninstall_works_with_faulty_settings_and_keeps_what_was_learned(
    root: Path, docker: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "konivrer-watch.toml").write_text("workers = []")
    own = find_state(root, environment()).own
    own.mkdir(parents=True)
    os.mkfifo(own / "leash")
    assert service_docker.uninstall(root) == 0
    assert [line for line in docker.asked if line.endswith("down --volumes --remove-orphans")]
    assert own.exists()
    assert not (own / "leash").exists()
    assert "its monitor; logs and verdicts stay" in capsys.readouterr().out
