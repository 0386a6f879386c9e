import os
import subprocess
from pathlib import Path

import pytest

from konivrer_watch.system import git
from konivrer_watch.system.git import find_git, global_excludes


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def repository(tmp_path: Path, environment: dict[str, str]) -> Path:
    top = (tmp_path / "repository").resolve()
    run(environment, tmp_path, "init", "-q", str(top))
    return top


def run(environment: dict[str, str], where: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], cwd=where, env=environment, check=True, timeout=30)


def excludes(root: Path, environment: dict[str, str]) -> str | None:
    found = global_excludes(os.fsencode(root), environment)
    return None if found is None else os.fsdecode(found)


def test_the_top_is_found_from_below(repository: Path) -> None:
    (repository / "a" / "b").mkdir(parents=True)
    place = find_git(os.fsencode(repository / "a" / "b"))
    assert place is not None
    assert place.top == os.fsencode(repository)
    assert place.git_dir == place.common_dir == os.fsencode(repository / ".git")
    assert place.info_exclude == os.fsencode(repository / ".git/info/exclude")


def test_a_worktree_has_a_git_directory_of_its_own_and_shares_the_common_one(
    repository: Path, environment: dict[str, str]
) -> None:
    run(environment, repository, "commit", "-q", "--allow-empty", "-m", "first")
    worktree = repository.parent / "tree"
    run(environment, repository, "worktree", "add", "-q", str(worktree))
    place = find_git(os.fsencode(worktree))
    assert place is not None
    assert place.top == os.fsencode(worktree)
    assert place.git_dir == os.fsencode(repository / ".git/worktrees/tree")
    assert place.common_dir == os.fsencode(repository / ".git")


def test_a_git_file_with_a_relative_path_is_followed(repository: Path, environment: dict[str, str]) -> None:
    module = repository / "module"
    (repository / ".git/modules").mkdir()
    run(
        environment,
        repository,
        "init",
        "-q",
        "--separate-git-dir",
        str(repository / ".git/modules/m"),
        "module",
    )
    (module / ".git").write_text("gitdir: ../.git/modules/m\n")
    place = find_git(os.fsencode(module))
    assert place is not None
    assert place.git_dir == os.fsencode(repository / ".git/modules/m")


@pytest.mark.parametrize(
    "content", [b"", b"gitdir: \n", b"gitdir: ../nowhere\n", b"\xff\n", b"gitdir: a\0b\n"]
)
def test_a_git_file_that_leads_nowhere_is_passed_over(repository: Path, content: bytes) -> None:
    below = repository / "below"
    below.mkdir()
    (below / ".git").write_bytes(content)
    place = find_git(os.fsencode(below))
    assert place is not None
    assert place.top == os.fsencode(repository)


def test_an_empty_git_directory_and_a_pipe_of_that_name_are_passed_over(repository: Path) -> None:
    (repository / "a" / ".git").mkdir(parents=True)
    (repository / "b").mkdir()
    os.mkfifo(repository / "b" / ".git")
    for name in ("a", "b"):
        place = find_git(os.fsencode(repository / name))
        assert place is not None
        assert place.top == os.fsencode(repository)


def test_a_directory_that_is_gone_has_no_git(tmp_path: Path) -> None:
    assert find_git(os.fsencode(tmp_path / "gone")) is None


def test_without_configuration_the_excludes_are_at_gits_default_place(
    repository: Path, environment: dict[str, str]
) -> None:
    assert excludes(repository, environment) == environment["HOME"] + "/.config/git/ignore"
    assert excludes(repository, environment | {"XDG_CONFIG_HOME": "/x"}) == "/x/git/ignore"
    assert excludes(repository, environment | {"XDG_CONFIG_HOME": "", "HOME": ""}) is None


def test_a_configured_path_is_expanded_and_a_relative_one_starts_at_the_top(
    repository: Path, environment: dict[str, str]
) -> None:
    run(environment, repository, "config", "--global", "core.excludesFile", "~/mine")
    assert excludes(repository, environment) == environment["HOME"] + "/mine"
    run(environment, repository, "config", "core.excludesFile", "own/ignore")
    (repository / "sub").mkdir()
    assert excludes(repository / "sub", environment) == f"{repository}/own/ignore"


def test_an_empty_configured_path_means_no_file(repository: Path, environment: dict[str, str]) -> None:
    run(environment, repository, "config", "core.excludesFile", "")
    assert excludes(repository, environment) is None


def test_without_a_git_program_only_the_default_place_is_left(
    repository: Path, environment: dict[str, str]
) -> None:
    run(environment, repository, "config", "core.excludesFile", "/mine")
    expected = environment["HOME"] + "/.config/git/ignore"
    assert excludes(repository, environment | {"PATH": str(repository)}) == expected
    assert excludes(repository, environment | {"PATH": ""}) == expected


def test_a_git_that_fails_or_hangs_leaves_the_default_place(
    repository: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = environment["HOME"] + "/.config/git/ignore"
    (repository / ".git/config").write_text("[core\n")
    assert excludes(repository, environment) == expected
    monkeypatch.setattr(git, "CONFIG_DEADLINE_S", 0.1)
    (repository / ".git/config").unlink()
    os.mkfifo(repository / ".git/config")
    assert excludes(repository, environment) == expected


def test_a_program_named_git_in_the_repository_is_not_run(
    repository: Path, environment: dict[str, str]
) -> None:
    mark = plant(repository, repository / "git")
    excludes(repository, environment | {"PATH": f".:{environment['PATH']}"})
    excludes(repository, environment | {"PATH": "."})
    assert not mark.exists()


def test_nothing_that_the_repository_configures_is_run(repository: Path, environment: dict[str, str]) -> None:
    mark = plant(repository, repository / "evil")
    for key in (
        "core.fsmonitor",
        "core.pager",
        "pager.config",
        "core.sshCommand",
        "core.editor",
        "alias.config",
    ):
        run(environment, repository, "config", key, str(repository / "evil"))
    run(environment, repository, "config", "core.excludesFile", "/mine")
    assert excludes(repository, environment) == "/mine"
    assert not mark.exists()


def test_variables_that_name_another_repository_are_not_passed_on(
    repository: Path, environment: dict[str, str]
) -> None:
    run(environment, repository, "config", "core.excludesFile", "/mine")
    misleading = {"GIT_DIR": "/nowhere", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.excludesFile"}
    assert excludes(repository, environment | misleading | {"GIT_CONFIG_VALUE_0": "/other"}) == "/mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_tree_of_another_owner_is_read_too(repository: Path, environment: dict[str, str]) -> None:
    run(environment, repository, "config", "core.excludesFile", "/mine")
    for path in (repository, repository / ".git", repository / ".git/config"):
        os.chown(path, 12345, 12345)
    assert excludes(repository, environment) == "/mine"


def plant(repository: Path, program: Path) -> Path:
    """A program that leaves a mark when it is run."""
    mark = repository / "mark"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    return mark
