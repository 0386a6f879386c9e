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
from tests.passes.security_sources import IMPORTS, SNIPPETS, ask_bandit

PACK = (Path(__file__).parents[2] / "rules" / "security.yaml").read_bytes()
WHOLE = (IMPORTS + "".join(SNIPPETS[1:])).encode()


def engine(**files: str) -> SecurityEngine:
    names = {"yaml": "bandit.yaml", "toml": "pyproject.toml", "ini": ".bandit"}
    return SecurityEngine(load_profile({names[kind]: text.encode() for kind, text in files.items()}, PACK))


def codes(judge: SecurityEngine, data: bytes = WHOLE, path: bytes = b"a.py") -> list[tuple[int, str]]:
    return [(finding.line, finding.code) for finding in judge.judge(path, data).findings]


CONFIGS = (
    "skips: [B101, B404, B607]",
    "tests: [B101, B301, B403]",
    "tests: [B001]",
    "skips: [B001]",
    "skips: [assert_used, B999]",
    "assert_used: {skips: ['*/a.py']}",
    "hardcoded_tmp_directory: {tmp_dirs: [/bin]}",
    "try_except_pass: {check_typed_exception: true}",
    "shell_injection: {subprocess: [other], shell: [], no_shell: [f]}",
    "markupsafe_xss: {extend_markup_names: [eval]}",
    "weak_cryptographic_key: {weak_key_size_rsa_high: 1}",
    "ssl_with_bad_version: {bad_protocol_versions: [x]}",
    "shell_injection: {shell: []}",
)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_form_of_configuration_judges_as_bandit(config: str, tmp_path: Path) -> None:
    import yaml

    (tmp_path / "bandit.yaml").write_text(config, "utf-8")
    settings = yaml.safe_load(config)
    selection = {"include": set(settings.get("tests", [])), "exclude": set(settings.get("skips", []))}
    issues, silenced, skipped, faults = ask_bandit(
        WHOLE, config=str(tmp_path / "bandit.yaml"), profile=selection
    )
    verdict = engine(yaml=config).judge(b"a.py", WHOLE)
    assert not skipped
    assert sorted(
        (i["line_number"], i["test_id"], i["issue_severity"], i["issue_text"]) for i in issues
    ) == sorted((f.line, f.code, f.severity, f.message) for f in verdict.findings)
    assert verdict.suppressed == silenced
    assert (verdict.problem is not None) == bool(faults)


def test_table_yaml_and_ini_say_the_same() -> None:
    table = codes(engine(toml="[tool.bandit]\nskips = ['B101']\n"))
    assert table == codes(engine(yaml="skips: [B101]")) == codes(engine(ini="[bandit]\nskips = B101\n"))
    assert (len(table), "B101") < (len(codes(engine(yaml="{}"))), "B101")


def test_the_ini_file_adds_to_the_other() -> None:
    both = engine(ini="[bandit]\nskips = B102\n", yaml="skips: [B101]")
    assert {code for _, code in codes(engine(yaml="{}"))} - {code for _, code in codes(both)} == {
        "B101",
        "B102",
    }


def test_ignore_nosec_lets_everything_through() -> None:
    data = b"eval(x)  # nosec\n"
    assert codes(engine(yaml="{}"), data) == []
    assert codes(engine(ini="[bandit]\nignore-nosec = true\n"), data) == [(1, "B307")]


def test_a_legacy_profile_selects() -> None:
    config = "profiles: {mine: {include: [exec_used, assert_used], exclude: [assert_used]}}"
    judge = engine(ini="[bandit]\nprofile = mine\n", yaml=config)
    assert judge.judge(b"a.py", b"").problem is not None
    judge = engine(ini="[bandit]\nprofile = mine\n", yaml="profiles: {mine: {include: [exec_used]}}")
    assert {code for _, code in codes(judge)} == {"B102"}


@pytest.mark.parametrize(
    ("ini", "yaml", "words"),
    [
        ("", "tests: [B999]", "no tests would be run"),
        ("[bandit]\nprofile = other\n", "profiles: {mine: {include: [B101]}}", "other"),
        ("", "profiles: {mine: {include: [blacklist_calls]}}", "legacy test 'blacklist_calls'"),
        ("", "profiles: 3", "values"),
    ],
)
def test_what_bandit_refuses_is_a_problem_of_every_file(ini: str, yaml: str, words: str) -> None:
    judge = engine(yaml=yaml, **({"ini": ini} if ini else {}))
    verdict = judge.judge(b"a.py", b"eval(x)\n")
    assert verdict.problem is not None and verdict.problem.kind is ProblemKind.CONFIGURATION
    assert words in verdict.problem.message
    assert verdict.findings == ()


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
        (b"x" + b".b" * 2000, ProblemKind.ENGINE, "nests too deeply"),
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
    assert verdict.problem is not None and verdict.problem.kind is ProblemKind.ENGINE
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
