"""Bad input gets a clear answer, and nothing beside it suffers."""

import ast
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.whole.bad_tree import CALL, CHAIN, GOOD, SYNTAX_ERROR, make_bad_tree
from tests.whole.program import codes, is_summary, report, run, watching

GOOD_FILES = [
    "good.py",
    "pkg/good.py",
    "in.py",
    "bom.py",
    "crlf.py",
    "with space.py",
    "new\nline.py",
    "esc\x1b[31m.py",
    "-dash.py",
    "\u202ertl.py",
    "inv\\xff.py",
    "folder.py/inside.py",
]
EVERY_PASS = {"lint", "optimize", "security"}


def is_parsed(data: bytes) -> bool:
    """Whether this Python's parser bears the depth: that of 3.13 bears more than those before it."""
    try:
        ast.parse(data)
    except RecursionError:
        return False
    return True


PROBLEMS = {
    "syntax.py": {"optimize", "security"},
    "nul.py": {"optimize", "security"},
    "invalid.py": EVERY_PASS,
    "latin.py": {"lint"},
    "unknown_coding.py": {"optimize", "security"},
    "chain.py": {"lint", "security"} if is_parsed(CHAIN) else EVERY_PASS,
    "big.py": {None},
}


class Judged:
    """The bad tree's place, its state, and what a first check said of it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.root.mkdir()
        make_bad_tree(self.root)
        self.environment = {"KONIVRER_WATCH_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
        self.code, self.report = report(self.root, environment=self.environment)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(tmp_path_factory.mktemp("bad"))


def tree(tmp_path: Path, **contents: bytes) -> Path:
    """A tree of files; ``__`` in a name stands for the dot before its suffix."""
    root = tmp_path / "root"
    root.mkdir()
    for name, content in contents.items():
        (root / name.replace("__", ".")).write_bytes(content)
    return root


def problems(answer: Any) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for problem in answer["problems"]:
        assert problem["message"]
        assert problem["hint"]
        found.setdefault(problem["path"], set()).add(problem["pass"])
    return found


def test_each_good_file_keeps_its_finding_and_has_no_other(judged: Judged) -> None:
    assert judged.code == 1
    assert {path: codes(judged.report, path) for path in GOOD_FILES} == {
        path: {"F401"} for path in GOOD_FILES
    }


def test_each_bad_file_is_named_with_its_passes_and_a_hint_and_no_other_file_is(judged: Judged) -> None:
    assert problems(judged.report) == PROBLEMS
    assert judged.report["complete"] is False


def test_what_does_not_parse_is_an_error_of_lint_at_its_place(judged: Judged) -> None:
    for path in ("syntax.py", "nul.py"):
        found = [finding for finding in judged.report["findings"] if finding["path"] == path]
        assert {(each["pass"], each["level"]) for each in found} == {("lint", "error")}
    (nul,) = (each for each in judged.report["findings"] if each["path"] == "nul.py")
    assert (nul["line"], nul["column"]) == (2, 1)


def test_a_file_in_another_encoding_that_says_so_is_judged_by_security_and_optimize(judged: Judged) -> None:
    assert {"B404", "B602"} <= codes(judged.report, "latin.py")


def test_a_file_that_kills_ruff_is_set_aside_alone(judged: Judged) -> None:
    assert judged.report["files"]["quarantined"] == 1
    assert codes(judged.report, "chain.py") == set()


def test_a_large_file_is_skipped_and_the_hint_leaves_it_out(judged: Judged, tmp_path: Path) -> None:
    (problem,) = (each for each in judged.report["problems"] if each["path"] == "big.py")
    assert 'exclude = ["/big.py"]' in problem["hint"]
    assert {"path": "big.py", "reason": "larger than 1024 kB"} in judged.report["skipped"]
    root = tree(tmp_path, big__py=b"#" * 2_000_000, konivrer_watch__toml=b"")
    (root / "konivrer-watch.toml").write_text('exclude = ["/big.py"]\n')
    code, answer = report(root)
    assert (code, answer["complete"], answer["problems"]) == (0, True, [])


def test_links_out_of_the_root_are_named_and_neither_read_nor_entered(judged: Judged) -> None:
    assert {"path": "out.py", "reason": "symbolic link out of the root"} in judged.report["skipped"]
    seen = {finding["path"] for finding in judged.report["findings"]}
    assert not [path for path in seen if path.startswith(("out", "pkg/up/"))]


def test_what_is_no_file_has_neither_findings_nor_problems(judged: Judged) -> None:
    named = {each["path"] for kind in ("findings", "problems") for each in judged.report[kind]}
    assert not named & {"fifo.py", "socket.py", "folder.py", "loop.py", "nowhere.py"}


def test_a_name_that_is_no_utf8_has_its_bytes_beside_it_and_no_other_has(judged: Judged) -> None:
    with_bytes = [each for each in judged.report["findings"] if "path_b64" in each]
    assert [each["path"] for each in with_bytes] == ["inv\\xff.py"]
    assert base64.b64decode(with_bytes[0]["path_b64"]) == b"inv\xff.py"


def test_text_shows_control_and_bidirectional_characters_escaped_and_a_line_per_finding(
    judged: Judged,
) -> None:
    ended = run("check", judged.root, environment=judged.environment)
    text = ended.stdout.decode()
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert all(line.isprintable() for line in text.splitlines())
    shown = (
        "new\\x0aline.py",
        "esc\\x1b[31m.py",
        "\\u202ertl.py",
        "inv\\xff.py",
        "with space.py",
        "-dash.py",
    )
    assert all(f"{name}:1:8: F401 " in text for name in shown)
    assert text.count("F401") == len(GOOD_FILES) + 1


def test_a_second_check_of_the_bad_tree_asks_no_engine_and_says_the_same(judged: Judged) -> None:
    code, again = report(judged.root, environment=judged.environment)
    varying = {"as_of", "version", "files", "timing_ms"}
    assert code == judged.code
    assert {key: value for key, value in again.items() if key not in varying} == {
        key: value for key, value in judged.report.items() if key not in varying
    }
    assert again["files"]["checked"] == 0


def test_a_watcher_of_the_bad_tree_holds_the_same_findings_and_stays_alive(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in judged.environment.items():
        monkeypatch.setenv(name, value)
    with watching(judged.root, "--source", "poll") as watcher:
        watcher.wait_for(lambda line: line.startswith("konivrer-watch "))
        ended = run("status", "--sync", "--findings", "--format", "json", judged.root)
        answer = json.loads(ended.stdout)
        assert (ended.returncode, answer["healthy"], answer["reason"]) == (0, True, None)
        assert answer["synced"] is True
        assert answer["findings_list"] == judged.report["findings"]
        assert {problem["path"] for problem in answer["problems"]} == set(PROBLEMS)
        assert watcher.process.poll() is None


def test_events_that_cannot_spell_a_name_are_told_of_and_helped_by_sweeps(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_bytes(GOOD)
    with watching(tmp_path, "--source", "watchfiles") as watcher:
        watcher.wait_for(is_summary)
        (tmp_path / os.fsdecode(b"inv\xff.py")).write_bytes(GOOD)
        assert "inv\\xFF.py" in watcher.wait_for(lambda line: "  degraded: " in line)
        ended = run("status", "--sync", "--findings", "--format", "json", tmp_path)
        paths = {finding["path"] for finding in json.loads(ended.stdout)["findings_list"]}
        assert paths == {"good.py", "inv\\xff.py"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 1), (("--pass", "security"), 3), (("--fail-on", "never"), 3), (("--fail-on", "error"), 1)],
)
def test_an_unparsable_file_fails_by_its_finding_and_is_incomplete_without_one(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    root = tree(tmp_path, syntax__py=SYNTAX_ERROR)
    ended, answer = report(*arguments, root)
    assert (ended, answer["complete"]) == (code, False)


def test_a_file_that_kills_ruff_alone_makes_the_verdict_incomplete(tmp_path: Path) -> None:
    code, answer = report(tree(tmp_path, chain__py=CHAIN))
    assert (code, answer["findings"]) == (3, [])


def test_a_link_out_of_the_root_leaves_the_verdict_complete(tmp_path: Path) -> None:
    root = tree(tmp_path, clean__py=b"")
    (tmp_path / "secret.py").write_bytes(CALL)
    (root / "out.py").symlink_to(tmp_path / "secret.py")
    code, answer = report(root)
    assert (code, answer["complete"], answer["findings"]) == (0, True, [])
    assert [skip["path"] for skip in answer["skipped"]] == ["out.py"]


def test_named_files_are_judged_under_their_names_whatever_bytes_those_have(
    judged: Judged,
) -> None:
    named: list[str | bytes] = ["--", "-dash.py", "esc\x1b[31m.py", b"inv\xff.py", "with space.py"]
    code, answer = report(*named, cwd=judged.root, environment=judged.environment)
    assert code == 1
    assert [each["path"] for each in answer["findings"]] == [
        "-dash.py",
        "esc\x1b[31m.py",
        "inv\\xff.py",
        "with space.py",
    ]


@pytest.mark.parametrize("arguments", [(), ("check",), ("status",), ("config",)])
def test_a_path_that_does_not_exist_is_a_usage_error_that_shows_it_safely(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = run(*arguments, "no\x1bwhere", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"no\\x1bwhere: there is no such " in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("status",), ("config",)])
def test_a_file_is_no_folder_to_watch(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a.py").write_bytes(GOOD)
    ended = run(*arguments, "a.py", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"a.py: is no folder" in ended.stderr
    assert b"konivrer-watch check a.py" in ended.stderr


def test_a_folder_without_python_files_and_an_empty_one_are_complete(tmp_path: Path) -> None:
    root = tree(tmp_path)
    assert report(root)[0] == 0
    (root / "notes.txt").write_text("import os\n")
    code, answer = report(root)
    assert (code, answer["complete"], answer["files"]["checked"]) == (0, True, 0)
    with watching(root) as watcher:
        watcher.wait_for(lambda line: line.startswith("checked 0 files"))


def test_no_stray_output_of_any_kind_reaches_standard_error(judged: Judged) -> None:
    ended = run("check", "--no-cache", judged.root, environment=judged.environment)
    assert ended.stderr == b""
    assert os.listdir(judged.root.parent / "outside") == ["secret.py"]
