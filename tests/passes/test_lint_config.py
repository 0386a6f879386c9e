"""The configuration we believe ruff applies, against ``ruff check --show-settings``."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.passes.lint.config import LintProfile
from konivrer_watch.passes.lint.settings_file import (
    expand,
    minimum_version,
    read_settings_file,
    user_level_files,
)
from tests.ruff_tree import PACK, RUFF, configurations, environment, run_ruff, write

CHOICES: dict[str, list[str | None]] = {
    "home/.config/ruff/ruff.toml": [None, "line-length = 70", "line-length = 71\ntarget-version = 'py39'"],
    "tree/pyproject.toml": [
        None,
        "[tool.black]\nline-length = 1",
        "[project]\nrequires-python = '>=3.12'",
        "[project]\nrequires-python = '>=3.12,!=3.13.1'\nname = 'x'",
        "[project]\nrequires-python = '>=3.13'\n[tool.ruff]\nline-length = 72",
        "[tool.ruff]\nline-length = 72\n[tool.black]\nx = 1",
        "[tool.ruff]\n# a comment\nline-length = 73",
        "[tool.ruff",
    ],
    "tree/ruff.toml": [None, "", "line-length = 74", "extend = 'base.toml'\nsrc = ['lib', 'l*b/x']"],
    "tree/.ruff.toml": [None, "line-length = 75\nlint = {\n  preview = true, # TOML 1.1\n}"],
    "tree/base.toml": [None, "line-length = 76", "line-length = 77\ntarget-version = 'py310'"],
    "tree/sub/ruff.toml": [None, "extend = '../base.toml'", "extend = '$BASE/base.toml'", "line-length = 78"],
    "tree/sub/pyproject.toml": [None, "[project]\nrequires-python = '==3.11.*'", "[tool.ruff]"],
}
TREES = st.fixed_dictionaries({name: st.sampled_from(options) for name, options in CHOICES.items()})


def build(top: Path, tree: dict[str, str | None]) -> tuple[Path, Path]:
    for name, content in tree.items():
        (top / name).unlink(missing_ok=True)
        if content is not None:
            write(top, {name: content})
    write(top, {"tree/m.py": "", "tree/sub/m.py": ""})
    return top / "tree", top / "home"


def shown(root: Path, home: Path, file: str, profile: LintProfile) -> tuple[int, str]:
    options = ["--config", os.fspath(PACK)] if profile.own else []
    options += ["--target-version", profile.target_version] if profile.target_version else []
    ended = run_ruff(root, home, *options, "--show-settings", file)
    return ended.returncode, (ended.stdout + ended.stderr).decode()


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("configured").resolve()


@settings(max_examples=40, deadline=None)
@given(TREES, TREES, st.sampled_from([b"", b"sub"]))
def test_the_digest_changes_exactly_when_the_settings_do(
    top: Path, before: dict[str, str | None], after: dict[str, str | None], folder: bytes
) -> None:
    file = os.path.join(folder.decode(), "m.py")
    seen: list[tuple[LintProfile, int, str]] = []
    for tree in (before, after):
        root, home = build(top, tree)
        profile = configurations(root, home).of(folder)
        seen.append((profile, *shown(root, home, file, profile)))
    (one, code, said), (two, other_code, other_said) = seen
    if (one.digest, one.problem) == (two.digest, two.problem):
        assert code == other_code
        assert code or said == other_said
    elif code == other_code == 0:
        assert said != other_said
    for profile, returned, text in seen:
        assert (profile.problem is None) == (returned == 0), text
        if returned == 0 and not profile.own:
            found = re.search(r"linter.src = \[\n?(.*?)\]", text, re.DOTALL)
            assert found
            assert set(re.findall(r'"(.*)"', found[1])) <= {path.decode() for path in profile.src}


def test_a_bad_file_at_the_root_spoils_folders_with_a_good_one_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, {"ruff.toml": "[lint", "sub/ruff.toml": "", "sub/m.py": ""})
    problem = configurations(tmp_path, tmp_path).of(b"sub").problem
    assert problem is not None
    assert "ruff.toml: " in problem
    assert run_ruff(tmp_path, tmp_path, "sub/m.py").returncode == 2


def test_a_moved_tree_keeps_its_digests(tmp_path: Path) -> None:
    tree = {"ruff.toml": "lint.select = ['I']", "sub/ruff.toml": "extend = '../ruff.toml'"}
    digests = []
    for name in ("here", "there/deeper"):
        write(tmp_path / name, tree)
        found = configurations(tmp_path / name, tmp_path)
        digests.append([found.of(b"").digest, found.of(b"sub").digest])
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[0][1]


def test_a_settings_file_that_moves_changes_the_digest(tmp_path: Path) -> None:
    write(tmp_path, {"a/ruff.toml": "line-length = 90"})
    before = configurations(tmp_path, tmp_path).of(b"a/b").digest
    write(tmp_path, {"a/b/ruff.toml": "line-length = 90"})
    assert configurations(tmp_path, tmp_path).of(b"a/b").digest != before


def test_what_would_matter_is_listed(tmp_path: Path) -> None:
    write(tmp_path, {"tree/a/ruff.toml": "extend = '../../far/base.toml'"})
    profile = configurations(tmp_path / "tree", tmp_path).of(b"a/b")
    expected = [
        "tree/a/b/.ruff.toml", "tree/a/b/ruff.toml", "tree/a/b/pyproject.toml", "tree/a/.ruff.toml",
        "tree/a/ruff.toml", "far/base.toml", "tree/a/pyproject.toml", "tree/pyproject.toml", "pyproject.toml",
    ]  # fmt: skip
    assert {os.fsencode(tmp_path / name) for name in expected} <= set(profile.files)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"pyproject.toml": "[tool.ruff"}, "pyproject.toml: "),
        ({"pyproject.toml": "[project]\nrequires-python = 'new'"}, "'new' is no version specifier"),
        ({"ruff.toml": "extend = 'none.toml'"}, "none.toml does not exist"),
        ({"ruff.toml": "extend = '$NONE/x.toml'"}, "variable NONE is not set"),
        ({"ruff.toml": "extend = 'b.toml'", "b.toml": "extend = 'ruff.toml'"}, "extends itself"),
        ({"ruff.toml": b"x = '\xff'"}, "utf-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_ruff_refuses_it_too(
    tmp_path: Path, tree: dict[str, str | bytes], told: str
) -> None:
    write(tmp_path, {**tree, "m.py": ""})
    profile = configurations(tmp_path, tmp_path).of(b"")
    assert profile.problem is not None
    assert told in profile.problem
    assert not profile.own
    assert run_ruff(tmp_path, tmp_path, "m.py").returncode == 2


@pytest.mark.parametrize(
    "requires",
    [
        ">=3.11", ">=3.11,<4", "~=3.9.1", "==3.12.*", ">3.8", "<3.12", ">=3", ">=3.99", "!=3.10", "===3.13",
        ">=2.7,!=3.0.*", ">=3.10.0rc1", "", ">=3.9 , >=3.11", "3.11", ">=3.11 <4", "^3.11", ">=v3.12", "~=3",
        ">=3.11rc1.post2.dev3", ">=3.11" + "rc" * 200 + "!",
    ],
)  # fmt: skip
def test_requires_python_is_read_as_ruff_reads_it(tmp_path: Path, requires: str) -> None:
    write(tmp_path, {"pyproject.toml": f"[project]\nrequires-python = '{requires}'\n[tool.ruff]", "m.py": ""})
    ended = run_ruff(tmp_path, tmp_path, "--show-settings", "m.py")
    try:
        version = minimum_version(requires)
    except ValueError:
        assert ended.returncode == 2
        return
    assert ended.returncode == 0
    told = "none" if version is None else version.removeprefix("py").replace("3", "3.", 1)
    assert f"linter.unresolved_target_version = {told}\n" in ended.stdout.decode()


@pytest.mark.parametrize(
    "text", ["~/x", "~", "a~/x", "$HOME/x", "${HOME}/x", "${NONE:-y}/x", "$NONE/x", "$$HOME", "a$", "${NONE}"]
)
def test_paths_are_expanded_as_ruff_expands_them(tmp_path: Path, text: str) -> None:
    try:
        path = tmp_path / expand(text, environment(tmp_path))
    except ValueError:
        path = None
    if path is not None:
        write(path, {"base.toml": "line-length = 99"})
    write(tmp_path, {"ruff.toml": f"extend = '{text}/base.toml'", "m.py": ""})
    ended = run_ruff(tmp_path, tmp_path, "--show-settings", "m.py")
    assert (path is None) == (ended.returncode == 2), ended.stderr
    assert path is None or b"linter.line_length = 99" in ended.stdout


@pytest.mark.parametrize("xdg", [None, "", "relative", "{home}/elsewhere"])
def test_the_user_level_folder_is_ruffs(tmp_path: Path, xdg: str | None) -> None:
    environ = {"HOME": os.fspath(tmp_path)}
    if xdg is not None:
        environ["XDG_CONFIG_HOME"] = xdg.format(home=tmp_path)
    write(tmp_path, {"tree/m.py": "", "elsewhere/ruff/ruff.toml": "", ".config/ruff/ruff.toml": ""})
    command = [os.fspath(RUFF), "check", "--no-cache", "--show-settings", "m.py"]
    told = subprocess.run(command, cwd=tmp_path / "tree", env=environ, capture_output=True, check=True).stdout
    found = next(path for path in user_level_files(environ) if Path(os.fsdecode(path)).is_file())
    assert b'Settings path: "%b"' % found in told
    assert user_level_files({}) == ()


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read(data: bytes) -> None:
    for name in (b"/ruff.toml", b"/pyproject.toml"):
        read_settings_file(name, data)
