"""Watching says what is watched, what a change brought and what went away, in lines and in JSON."""

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from konivrer_watch.core.events import QueueDrained
from konivrer_watch.core.status import Status
from konivrer_watch.daemon.app import Watch
from konivrer_watch.daemon.ending import Ended, Ending
from konivrer_watch.daemon.recorder import Listener
from konivrer_watch.system.notify import Notifier
from tests.cli.running import commands
from tests.whole.program import PROGRAM, Watcher, calm, is_summary, run, watching

UNUSED = "import os\n"
CALL = "import subprocess\n\n\ndef call(x):\n    subprocess.call(x, shell=True)\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.py").write_text(UNUSED)
    return folder


@pytest.fixture
def plain(root: Path) -> Iterator[Watcher]:
    with watching(root) as watcher:
        watcher.wait_for(is_summary)
        yield watcher


def event(watcher: Watcher, **wanted: Any) -> Any:
    """The next JSON line that has these values."""

    def fits(line: str) -> bool:
        found = json.loads(line)
        return all(found.get(key) == value for key, value in wanted.items())

    return json.loads(watcher.wait_for(fits))


def test_the_first_line_names_the_root_and_the_summary_counts(root: Path, plain: Watcher) -> None:
    assert plain.lines[0].startswith("konivrer-watch ")
    assert plain.lines[0].endswith(f": {root}; Ctrl-C ends it")
    assert plain.lines[-1].startswith("checked 1 file in ")
    assert plain.lines[-1].endswith(": 0 errors, 1 warning, 0 notes; watching")


def test_a_save_an_edit_and_a_deletion_say_what_came_and_went(root: Path, plain: Watcher) -> None:
    (root / "b.py").write_text(UNUSED + CALL)
    head = plain.wait_for(lambda line: "  b.py  " in line)
    assert "3 new" in head
    assert head.endswith(" ms)")
    appeared = [plain.wait_for(lambda line: line.startswith("  + ")) for _ in range(3)]
    assert [line.split()[2] for line in appeared] == ["F401", "B404", "B602"]
    (root / "b.py").write_text(CALL)
    plain.wait_for(lambda line: "  b.py  " in line and "1 gone" in line)
    plain.wait_for(lambda line: line.startswith("  - ") and "F401" in line)
    (root / "b.py").unlink()
    plain.wait_for(lambda line: "  b.py  " in line and "2 gone" in line)
    # The watcher's own words are of one kind only: no line went to standard error.
    plain.end()
    assert plain.errors() == ""


def test_settings_that_become_invalid_and_valid_again_are_told(root: Path, plain: Watcher) -> None:
    (root / "konivrer-watch.toml").write_text("fixx = 1\n")
    plain.wait_for(lambda line: "konivrer-watch.toml: fixx: is not a setting" in line)
    plain.wait_for(lambda line: line.startswith("  hint: "))
    (root / "konivrer-watch.toml").write_text("")
    plain.wait_for(lambda line: "valid again" in line)


def test_new_settings_hold_from_the_moment_they_are_saved(root: Path, plain: Watcher) -> None:
    (root / "konivrer-watch.toml").write_text('exclude = ["a.py"]\n')
    assert plain.wait_for(is_summary).startswith("checked 0 files")


def test_a_watch_that_has_to_begin_anew_does_and_says_why(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ends = [Ended.SETTINGS, Ended.STATE_LOST, Ended.INTERRUPTED]

    async def watch(request: Watch, listener: Listener, notifier: Notifier, ending: Ending) -> Ended:
        listener(QueueDrained(), (), Status(swept="x", as_of="x"))
        return ends.pop(0)

    monkeypatch.setattr("konivrer_watch.cli.watch.watch", watch)
    command = commands()["watch"]
    assert command.main([str(root)], standalone_mode=False) == 130
    greetings = [line for line in capfd.readouterr().out.splitlines() if line.startswith("konivrer-watch ")]
    assert [line.split(": ")[1] for line in greetings] == [
        f"{root}; Ctrl-C ends it",
        "the settings changed; it begins anew",
        "the state folder was removed; it begins anew",
    ]


def test_a_change_of_configuration_is_told_in_one_summary(root: Path, plain: Watcher) -> None:
    for number in range(30):
        (root / f"m{number}.py").write_text(UNUSED)
    run("status", "--sync", root)
    (root / "ruff.toml").write_text('lint.select = ["E"]\n')
    head = plain.wait_for(lambda line: "  configuration changed: " in line)
    assert "  configuration changed: 31 files, 0 new, 31 gone (" in head
    assert plain.wait_for(lambda line: line.startswith("  - ")).startswith("  - a.py:1:8: F401 ")
    plain.wait_for(lambda line: line == "  and 28 more gone")


def test_the_summary_names_errors_and_says_where_all_findings_are(root: Path) -> None:
    (root / "b.py").write_text(CALL)
    with watching(root) as watcher:
        watcher.wait_for(is_summary)
        assert watcher.wait_for(lambda line: True).startswith("  b.py:5:5: B602 ")
        shown = watcher.wait_for(lambda line: line.endswith(" lists them"))
        listed = run(*shlex.split(shown.removesuffix(" lists them"))[1:]).stdout.decode()
        assert all(code in listed for code in ("F401", "B404", "B602"))


# A bar without patience shows on the fastest machine.
AT_ONCE = (
    "import konivrer_watch.cli.progress as progress; progress._PATIENCE_SECONDS = 0.0; "
    "from konivrer_watch.cli.main import main; main()"
)


def test_a_first_check_shows_a_bar_on_a_terminal_and_clears_it(root: Path) -> None:
    for number in range(250):
        (root / f"m{number}.py").write_text(f"{UNUSED}# {number}\n" + "DATA = [1, 2, 3]\n" * 200)
    master, slave = pty.openpty()
    command = [sys.executable, "-c", AT_ONCE, str(root)]
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=calm()) as process:
        os.close(slave)
        shown = b""
        while b" lists them" not in shown:
            shown += os.read(master, 65536)
        process.terminate()
    os.close(master)
    assert b"checking 251 files \xe2\x80\xa6" in shown
    assert b"of 251 files\r\x1b[Kchecked 251 files in " in shown


def test_json_lines_have_the_fields_of_the_interface(root: Path) -> None:
    with watching(root, "--format", "json") as watcher:
        first = json.loads(watcher.wait_for(lambda line: True))
        assert (first["event"], set(first)) == ("state", {"event", "at", "state", "reason"})
        verdict = event(watcher, event="verdict", path="a.py")
        assert set(verdict) == {
            *("event", "at", "path", "passes", "complete", "findings", "appeared", "gone", "trigger"),
            *("latency_ms", "problems"),
        }
        assert verdict["passes"] == ["lint", "optimize", "security"]
        assert [each["code"] for each in verdict["appeared"]] == ["F401"]
        event(watcher, event="state", state="watching")
        (root / "a.py").write_text(CALL)
        change = event(watcher, event="change")
        assert (change["path"], change["kind"]) == ("a.py", "modified")
        verdict = event(watcher, event="verdict", path="a.py", trigger="save")
        assert [each["code"] for each in verdict["gone"]] == ["F401"]
        assert [each["code"] for each in verdict["findings"]] == ["B404", "B602"]
        (root / "a.py").unlink()
        gone = event(watcher, event="verdict", path="a.py")
        assert (len(gone["gone"]), gone["findings"], gone["passes"]) == (2, [], [])
        watcher.end()
        assert all(json.loads(line)["at"].endswith("Z") for line in watcher.lines)


def test_status_sees_what_was_saved_before_it_asked(root: Path, plain: Watcher) -> None:
    for number in range(5):
        (root / f"m{number}.py").write_text(UNUSED)
        ended = run("status", "--sync", "--findings", "--format", "json", root)
        report = json.loads(ended.stdout)
        assert (ended.returncode, report["synced"], report["pid"]) == (0, True, plain.process.pid)
        assert {each["path"] for each in report["findings_list"]} == {
            "a.py",
            *(f"m{done}.py" for done in range(number + 1)),
        }
        assert report["findings"]["warning"] == number + 2


def test_status_shows_the_findings_as_text_too(root: Path, plain: Watcher) -> None:
    ended = run("status", "--findings", root)
    lines = ended.stdout.decode().splitlines()
    assert (ended.returncode, lines[0]) == (0, f"{root}: watching, healthy")
    assert lines[-1].startswith("a.py:1:8: F401 ")


def test_a_second_watcher_of_the_root_says_who_holds_it(root: Path, plain: Watcher) -> None:
    ended = run(root)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert f"watched already, by process {plain.process.pid}".encode() in ended.stderr
    assert ended.stderr.decode().endswith(f"; stop that one first: kill {plain.process.pid}\n")


def test_only_the_passes_asked_for_run(root: Path) -> None:
    with watching(root, "--pass", "security") as watcher:
        assert watcher.wait_for(is_summary).endswith(": 0 errors, 0 warnings, 0 notes; watching")


def test_polling_notices_changes_too(root: Path) -> None:
    with watching(root, "--source", "poll") as watcher:
        watcher.wait_for(is_summary)
        (root / "b.py").write_text(UNUSED)
        watcher.wait_for(lambda line: "  b.py  " in line)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--source", "inotify"], "not there yet"),
        (["--source", "x"], "source"),
        (["--threshold", "0"], "threshold"),
    ],
)
def test_an_option_out_of_range_is_refused_before_anything_starts(
    root: Path, arguments: list[str], word: str
) -> None:
    ended = run(*arguments, root)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert word.encode() in ended.stderr
    assert not Path(os.environ["KONIVRER_WATCH_STATE_DIR"]).exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [([], {}, True), (["--plain"], {}, False), ([], {"NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_and_can_be_refused(
    root: Path, arguments: list[str], environment: dict[str, str], colored: bool
) -> None:
    (root / "big.py").write_text("#" * 2_000_000)
    master, slave = pty.openpty()
    env = {**calm(), **environment}
    with subprocess.Popen([PROGRAM, *arguments, str(root)], stdout=slave, env=env) as process:
        os.close(slave)
        shown = b""
        while b"hint: " not in shown:
            shown += os.read(master, 65536)
        process.terminate()
    os.close(master)
    assert (b"\x1b[" in shown) is colored
