"""``git check-ignore --no-index`` is the oracle for what is ignored, at every level."""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from konivrer_watch.system.git import find_git
from konivrer_watch.system.scan import ScanScope, dispose, scan
from tests.system.ignore_trees import Repository, Tree, is_regular, trees

EFFORT = settings(
    max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    return Repository(os.path.realpath(os.fsencode(tmp_path_factory.mktemp("repository"))), environment)


def scope_at(repository: Repository, root: bytes) -> ScanScope:
    place = find_git(root)
    assert place is not None
    return ScanScope(root, place, repository.global_excludes, wide=True)


def line_of(reason: str | None) -> str | None:
    """The line number in a reason, if it is that of an ignore file."""
    if reason is None or not reason.startswith("ignored by "):
        return None
    return reason.removeprefix("ignored by ").split(": ", 1)[0].rpartition(":")[2]


@EFFORT
@given(tree=trees())
def test_a_path_is_ignored_if_and_by_the_line_that_git_says(repository: Repository, tree: Tree) -> None:
    paths = repository.write(tree)
    scope = scope_at(repository, repository.top)
    assert {path: line_of(dispose(scope, path).reason) for path in paths} == repository.ignored(paths)


@EFFORT
@given(tree=trees())
def test_a_scan_finds_exactly_the_files_that_git_does_not_ignore(repository: Repository, tree: Tree) -> None:
    paths = repository.write(tree)
    ignored = repository.ignored(paths)
    found = scan(scope_at(repository, repository.top)).files
    regular = [path for path in paths if is_regular(repository.top + b"/" + path)]
    assert set(found) == {path for path in regular if ignored[path] is None}


@EFFORT
@given(tree=trees())
def test_a_root_below_gits_top_keeps_the_rules_from_above(repository: Repository, tree: Tree) -> None:
    paths = repository.write(tree)
    ignored = repository.ignored(paths)
    folders = [path for path in paths if ignored[path] is None and scannable(repository, path)]
    for folder in folders[:3]:
        found = scan(scope_at(repository, repository.top + b"/" + folder)).files
        below = [path for path in paths if path.startswith(folder + b"/") and ignored[path] is None]
        regular = [path for path in below if is_regular(repository.top + b"/" + path)]
        assert {folder + b"/" + path for path in found} == set(regular)


@EFFORT
@given(tree=trees())
def test_a_path_counts_exactly_if_the_scan_has_it(repository: Repository, tree: Tree) -> None:
    paths = repository.write(tree)
    for wide in (False, True):
        scope = ScanScope(
            repository.top,
            find_git(repository.top),
            repository.global_excludes,
            ("/a", "!/a/b", "*.py/"),
            wide,
        )
        found = scan(scope)
        assert {path for path in paths if dispose(scope, path).counts} == set(found.files)
        for folder in found.directories:
            below = {path for path in found.files if not folder or path.startswith(folder + b"/")}
            assert set(scan(scope, folder).files) == below


def scannable(repository: Repository, path: bytes) -> bool:
    full = repository.top + b"/" + path
    return not is_regular(full) and os.path.realpath(full) == full
