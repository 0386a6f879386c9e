"""``check`` judges what it is asked for, reports as the interface says, and exits by what it found."""

import errno
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from konivrer_watch import __version__
from konivrer_watch.core.errors import UsageFault
from tests.cli.running import answer, invoke

UNUSED = "import os\n"
CALL = "import subprocess\n\n\ndef call(x):\n    subprocess.call(x, shell=True)\n"
HEAD = ("schema", "version", "root", "complete", "as_of")
PLACE = ("path", "line", "column", "end_line", "end_column")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    (folder / "pkg").mkdir(parents=True)
    (folder / "a.py").write_text(UNUSED)
    (folder / "pkg" / "b.py").write_text(CALL)
    monkeypatch.chdir(folder)
    return folder


def paths(report: dict[str, list[dict[str, object]]]) -> set[object]:
    return {finding["path"] for finding in report["findings"]}


def test_the_report_has_the_fields_of_the_interface_in_their_order(root: Path) -> None:
    code, report = answer("check", "--format", "json")
    assert code == 1
    assert list(report) == [*HEAD, "files", "findings", "suppressed", "skipped", "problems", "timing_ms"]
    assert (report["schema"], report["version"], report["root"]) == (1, __version__, str(root.resolve()))
    assert (report["complete"], report["skipped"], report["problems"]) == (True, [], [])
    assert report["files"] == {"checked": 2, "cached": 0, "skipped": 0, "quarantined": 0}
    assert set(report["suppressed"]) == {"lint", "optimize", "security"}
    assert set(report["timing_ms"]) == {"total", "scan", "lint", "optimize", "security"}
    for finding in report["findings"]:
        assert list(finding)[:12] == [*PLACE, "pass", "code", "name", "level", "message", "url", "fix"]
    assert [(each["path"], each["code"], each["level"]) for each in report["findings"]] == [
        ("a.py", "F401", "warning"),
        ("pkg/b.py", "B404", "note"),
        ("pkg/b.py", "B602", "error"),
    ]


def test_an_unchanged_tree_costs_no_engine_and_a_change_costs_one_file(root: Path) -> None:
    _, first = answer("check", "--format", "json")
    _, again = answer("check", "--format", "json")
    assert again["files"] == {"checked": 0, "cached": 2, "skipped": 0, "quarantined": 0}
    assert again["findings"] == first["findings"]
    (root / "a.py").write_text("import re\n")
    _, third = answer("check", "--format", "json")
    assert (third["files"]["checked"], third["files"]["cached"]) == (1, 1)


def test_no_cache_judges_afresh_and_remembers_nothing(root: Path) -> None:
    for _ in range(2):
        _, report = answer("check", "--no-cache", "--format", "json")
        assert report["files"]["checked"] == 2
    assert not list(Path(os.environ["KONIVRER_WATCH_STATE_DIR"]).rglob("*.db"))


def test_named_files_and_folders_are_judged_alone_with_the_folder_we_are_in_as_root(root: Path) -> None:
    _, report = answer("check", "--format", "json", "a.py")
    assert (report["root"], paths(report)) == (str(root.resolve()), {"a.py"})
    _, report = answer("check", "--format", "json", "a.py", "pkg")
    assert paths(report) == {"a.py", "pkg/b.py"}
    _, report = answer("check", "--format", "json", "pkg")
    assert (report["root"], paths(report)) == (str((root / "pkg").resolve()), {"b.py"})


def test_a_file_elsewhere_is_judged_in_its_own_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    _, report = answer("check", "--format", "json", str(root / "pkg" / "b.py"))
    assert (report["root"], paths(report)) == (str((root / "pkg").resolve()), {"b.py"})
    with pytest.raises(UsageFault, match="lies outside"):
        invoke("check", str(root / "a.py"), str(root / "pkg" / "b.py"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--fail-on", "error"], 1),
        (["--fail-on", "never"], 0),
        (["--fail-on", "error", "--pass", "lint"], 0),
        (["--fail-on", "note", "--pass", "security"], 1),
        (["--pass", "optimize"], 0),
    ],
)
def test_the_exit_code_follows_what_fails(root: Path, arguments: list[str], code: int) -> None:
    assert invoke("check", *arguments).return_value == code


def test_only_the_passes_asked_for_run(root: Path) -> None:
    _, report = answer("check", "--format", "json", "--pass", "lint,optimize")
    assert {finding["pass"] for finding in report["findings"]} == {"lint"}


def test_the_report_goes_to_a_file_and_nothing_to_the_output(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    result = invoke("check", "--format", "json", "--output", str(target))
    assert (result.output, result.return_value) == ("", 1)
    assert json.loads(target.read_bytes())["schema"] == 1
    with pytest.raises(UsageFault, match=r"--output .*: No such file or directory"):
        invoke("check", "--output", str(tmp_path / "none" / "report"))


def test_text_has_a_line_per_finding_and_one_summary(root: Path) -> None:
    lines = invoke("check").output.splitlines()
    assert lines[0].startswith("a.py:1:8: F401 ")
    assert lines[-1].startswith("3 findings (1 error, 1 warning, 1 note")
    assert "complete as of" in lines[-1]
    assert not any("\x1b" in line for line in lines)


IMPATIENT = (
    "import konivrer_watch.cli.progress as progress; progress._PATIENCE_SECONDS = 0.0; "
    "from konivrer_watch.cli.main import main; main()"
)


def read_terminal(master: int) -> str:
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError as error:
            # Linux's way of saying that the last writer has gone.
            assert error.errno == errno.EIO
            part = b""
        if not part:
            return shown.decode()
        shown += part


def test_a_bar_grows_on_a_terminal_and_leaves_a_clean_line(root: Path) -> None:
    for number in range(600):
        (root / f"m{number}.py").write_text("")
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "check"], cwd=root, stdout=subprocess.PIPE, stderr=slave
    ) as process:
        os.close(slave)
        shown = read_terminal(master)
        os.close(master)
        assert process.stdout is not None
        assert b"3 findings" in process.stdout.read()
    assert "] 602 of 602 files" in shown
    assert shown.endswith("\r\x1b[K")
    assert "\n" not in shown


def test_no_bar_is_drawn_where_standard_error_is_no_terminal(root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "check"], cwd=root, capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, b"")
