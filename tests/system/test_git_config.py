"""What is read of a configuration is what git itself makes of it."""

import os
import subprocess
from pathlib import Path

import pytest

from konivrer_watch.core.pull import SAFE_PROTOCOLS, PullFailed
from konivrer_watch.core.pull_config import Configuration, find_upstream, is_ref_name
from konivrer_watch.system.git import GitPlace, find_git
from konivrer_watch.system.git_config import read_configuration
from konivrer_watch.system.git_run import Git, user_environment
from tests.git_trees import GitTree, make_git_tree


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


def place(tree: GitTree) -> GitPlace:
    found = find_git(os.fsencode(tree.clone))
    assert found is not None
    return found


def configuration(tree: GitTree, **environment: str) -> Configuration:
    git = Git(user_environment(tree.environment(**environment), str(tree.clone)))
    return read_configuration(git, place(tree))


def test_files_included_on_a_condition_count_where_it_holds(tree: GitTree) -> None:
    (tree.folder / "on").write_text("[core]\n\teol = crlf\n")
    (tree.folder / "off").write_text("[core]\n\tautocrlf = true\n")
    tree.configure(f'[includeIf "onbranch:main"]\n\tpath = {tree.folder}/on')
    tree.configure(f'[includeIf "onbranch:other"]\n\tpath = {tree.folder}/off')
    assert configuration(tree).kept()["core.eol"] == "crlf"
    assert "core.autocrlf" not in configuration(tree).kept()


def test_the_users_configuration_lies_below_the_repositorys(tree: GitTree) -> None:
    tree.git("config", "--global", "core.eol", "lf")
    tree.git("config", "--global", "user.name", "Ada")
    tree.git("config", "core.eol", "crlf")
    found = configuration(tree)
    assert found.kept()["core.eol"] == "crlf"
    assert found.of_user("core.eol") == "lf"
    assert found.kept()["user.name"] == "Ada"


def test_variables_that_speak_of_another_repository_say_nothing(tree: GitTree) -> None:
    misleading = {"GIT_DIR": "/nowhere", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.eol"}
    assert configuration(tree, **misleading, GIT_CONFIG_VALUE_0="crlf").last("core.eol") is None
    assert configuration(tree, GIT_CONFIG_PARAMETERS="'core.eol'='crlf'").last("core.eol") is None


def test_a_configuration_that_is_broken_is_a_failure_with_its_place(tree: GitTree) -> None:
    tree.configure("[core")
    with pytest.raises(PullFailed, match=r"bad config line \d+ in file"):
        configuration(tree)


@pytest.mark.parametrize(
    "refspec",
    [
        "+refs/heads/*:refs/remotes/origin/*",
        "refs/heads/main:refs/remotes/x/y",
        "refs/heads/m*n:refs/remotes/z/*q",
    ],
)
def test_the_tracking_reference_is_gits(tree: GitTree, refspec: str) -> None:
    tree.git("config", "remote.origin.fetch", refspec)
    upstream = find_upstream(configuration(tree), "main", SAFE_PROTOCOLS)
    assert upstream.tracking == tree.git("for-each-ref", "--format=%(upstream)", "refs/heads/main")


NAMES = (
    *("refs/heads/a", "refs/heads/a.b", "refs/heads/a..b", "refs/heads/.a", "refs/heads/a/", "refs/heads//a"),
    *("refs/heads/a.lock", "refs/heads/a.lock/b", "refs/heads/a.", "refs/heads/a@{b", "refs/heads/@"),
    *("refs/heads/a b", "refs/heads/a~", "refs/heads/a^", "refs/heads/a:b", "refs/heads/a?", "refs/heads/a*"),
    *(
        "refs/heads/a[",
        "refs/heads/a\\",
        "refs/heads/a\x7f",
        "refs/heads/a\nb",
        "refs/heads/é",
        "refs/heads/-a",
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_a_reference_is_gits(name: str) -> None:
    ended = subprocess.run(["git", "check-ref-format", name], capture_output=True, timeout=10, check=False)
    assert is_ref_name(name) == (ended.returncode == 0)


def test_programs_are_looked_for_outside_the_root_alone(tree: GitTree) -> None:
    inside = tree.clone / "bin"
    linked = tree.folder / "link"
    inside.mkdir()
    linked.symlink_to(inside)
    path = f"{inside}:.:relative:{linked}::{os.environ['PATH']}"
    assert user_environment({"PATH": path}, str(tree.clone))["PATH"] == os.environ["PATH"]
