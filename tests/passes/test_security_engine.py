import gc
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bandit.core.extension_loader import MANAGER

from konivrer_watch.core.model import ProblemKind
from konivrer_watch.passes.security.driver import SecurityEngine
from konivrer_watch.passes.security.profile import SecurityProfile, load_profile
from tests.passes.security_sources import PACK, WHOLE, codes, engine


def test_engines_of_different_configuration_do_not_disturb_each_other() -> None:
    first = engine(yaml="assert_used: {skips: ['*/a.py']}")
    second = engine(yaml="skips: [B307]")
    data = b"assert x\neval(y)\n"
    for _ in range(2):
        assert codes(first, data) == [(2, "B307")]
        assert codes(second, data) == [(1, "B101")]


def test_asserts_in_test_files_are_no_finding_of_our_pack() -> None:
    judge = SecurityEngine(load_profile({}, PACK))
    quiet = (
        b"test_a.py",
        b"p/test_a.py",
        b"p/a_test.py",
        b"tests/a.py",
        b"p/tests/q/a.py",
        b"conftest.py",
        b"tests.py",
    )
    for path in quiet:
        assert codes(judge, b"assert x\neval(y)\n", path) == [(2, "B307")]
    for path in (b"a.py", b"testing/a.py", b"p/contest.py", b"atest.py"):
        assert codes(judge, b"assert x\n", path) == [(1, "B101")]


class Doors:
    """Notes what is opened below a folder, relative names included, which are below the current one."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.opened: list[Path] = []

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of an audit event."""
        if self.folder is not None and event in ("open", "os.listdir", "os.scandir") and arguments[0] != "":
            path = self.folder / os.fsdecode(arguments[0])
            if path.is_relative_to(self.folder):
                self.opened.append(path)


def test_judging_asks_nothing_of_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = engine(yaml="{}")
    asked: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("isfile", "isdir", "exists"):
            patch.setattr(f"os.path.{name}", asked.append)
        judge.judge(b"pkg/a.py", b"eval(x)\n")
    assert asked == []


def test_judging_opens_nothing_below_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doors = Doors()
    for folder in (tmp_path, tmp_path / "pkg"):
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("", "utf-8")
    (tmp_path / "pkg" / "a.py").write_bytes(WHOLE)
    monkeypatch.chdir(tmp_path)
    judge = engine(yaml="{}")
    sys.addaudithook(doors.note)
    doors.folder = tmp_path
    try:
        for data in (WHOLE, b"def (:", b"# coding: latin-1\neval('\xe9')", b"x = " + b"+".join([b"a"] * 500)):
            judge.judge(b"pkg/a.py", data)
        assert doors.opened == []
        (tmp_path / "pkg" / "a.py").read_bytes()
        assert doors.opened != []
    finally:
        doors.folder = None


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"x = 1\ndef (:\n", ProblemKind.UNPARSABLE, "cannot be parsed: invalid syntax in line 2"),
        (b"x = 1\0\n", ProblemKind.UNPARSABLE, "null bytes"),
        (b"# coding: klingon\n", ProblemKind.UNPARSABLE, "cannot be parsed: unknown encoding: klingon"),
        (b"# coding: hex\n", ProblemKind.UNPARSABLE, "hex"),
        (b"x" + b".b" * 2000, ProblemKind.QUARANTINED, "nests too deeply"),
        (b"x = " + b"(" * 250 + b")" * 250, ProblemKind.UNPARSABLE, "cannot be parsed"),
        (b"mark_safe(x, *y)\nt.extractall(members=a.b())\nimport tarfile\n", None, ""),
    ],
)
def test_what_cannot_be_judged_is_named(data: bytes, kind: ProblemKind | None, words: str) -> None:
    verdict = engine(yaml="{}").judge(b"a.py", data)
    if kind is None:
        assert verdict.problem is None
    else:
        assert verdict.problem is not None and verdict.problem.kind is kind
        assert words in verdict.problem.message
        assert verdict.findings == () and verdict.suppressed == 0


def test_where_one_test_of_bandits_fails_the_others_are_heard() -> None:
    data = b"import tarfile\neval(x)\nt.extractall(members=a.b())\nt.extractall(members=c.d())\n"
    verdict = engine(yaml="{}").judge(b"a.py", data)
    assert [finding.code for finding in verdict.findings] == ["B307"]
    assert verdict.problem is not None and verdict.problem.kind is ProblemKind.QUARANTINED
    assert "tarfile_unsafe_members in line 3: AttributeError" in verdict.problem.message
    assert verdict.problem.message.endswith(", and 1 more")


def test_columns_count_characters_and_ends_follow_the_code() -> None:
    data = "x = 'é€𝄞', eval('é')\n".encode()
    (finding,) = engine(yaml="{}").judge(b"a.py", data).findings
    assert (finding.line, finding.column, finding.end_line, finding.end_column) == (1, 12, 1, 21)


def test_a_finding_never_ends_before_it_begins() -> None:
    data = b"import subprocess\n" + b" " * 0 + b"value = subprocess.call(a,\nshell=True)\n"
    finding = next(f for f in engine(yaml="{}").judge(b"a.py", data).findings if f.code == "B602")
    assert (finding.line, finding.column, finding.end_line, finding.end_column) == (3, 9, 3, 12)
    short = b"import subprocess\nlong_name_value = subprocess.call(a,\nshell=1)\n"
    finding = next(f for f in engine(yaml="{}").judge(b"a.py", short).findings if f.code == "B602")
    assert (finding.line, finding.column, finding.end_line, finding.end_column) == (3, 19, 3, 19)


def test_names_that_are_no_text_are_judged() -> None:
    assert codes(engine(yaml="{}"), b"eval(x)\n", b"a\xff\n\x1b.py") == [(1, "B307")]


def loud(context: Any) -> None:
    raise ZeroDivisionError(context.node.lineno)


def test_a_foreign_plugin_is_left_to_bandits_own_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    loud.__dict__.update(_test_id="X001", _checks=["Call"])
    foreign = SimpleNamespace(name="loud", plugin=loud)
    monkeypatch.setattr(MANAGER, "plugins", [*MANAGER.plugins, foreign])
    monkeypatch.setattr(MANAGER, "plugins_by_id", {**MANAGER.plugins_by_id, "X001": foreign})
    verdict = engine(yaml="{}").judge(b"a.py", b"x = 1\neval(x)\n# \xe2\x80\xae\n")
    assert [finding.code for finding in verdict.findings] == ["B307", "B613"]
    assert verdict.problem is not None and "loud in line 2: ZeroDivisionError: 2" in verdict.problem.message


def test_the_collector_and_the_warnings_are_as_they_were() -> None:
    judge = SecurityEngine(SecurityProfile(own=False))
    before = list(warnings.filters)
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        judge.judge(b"a.py", b"def (:")
        judge.judge(b"a.py", b"eval(x)")
        assert gc.isenabled() is enabled
    gc.enable()
    assert warnings.filters == before


def test_a_tree_of_ours_goes_with_its_verdict() -> None:
    import ast

    judge = SecurityEngine(SecurityProfile(own=False))
    judge.judge(b"a.py", WHOLE)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, ast.AST) for thing in gc.get_objects())
        judge.judge(b"a.py", b"x = [f(1)]\n" * 500)
        assert sum(isinstance(thing, ast.AST) for thing in gc.get_objects()) - before < 50
    finally:
        gc.enable()
