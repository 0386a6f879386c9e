"""The commands that mend can be pasted into a shell, whatever the folder is called."""

import shutil
import subprocess

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from konivrer_watch.core.model import Launcher, LogFile
from konivrer_watch.report.commands import Commands, mended, parted, shell_word, unguarded
from konivrer_watch.report.status import StatusReport

BASH = shutil.which("bash")
COMMANDS = Commands(b"/r/a b", "konivrer-watch-a_b-1.service", "konivrer-watch-a_b-1-watch")


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@given(st.binary(min_size=1, max_size=20).filter(lambda path: 0 not in path))
@example(b"/a b/it's $HOME `x` \\n")
@example("/дом/é\u202e".encode())
@example(b"/\xff7\n'\\")
@settings(max_examples=40)
def test_a_path_as_a_word_is_the_same_path_to_the_shell(path: bytes) -> None:
    assert BASH is not None
    script = f"printf %s {shell_word(b'/' + path)}"
    assert subprocess.run([BASH, "-c", script], capture_output=True, check=True).stdout == b"/" + path


@given(st.binary(max_size=20))
def test_a_word_is_safe_to_print(path: bytes) -> None:
    assert shell_word(path).isprintable()


def test_each_launcher_is_spoken_to_in_its_own_language() -> None:
    assert COMMANDS.start(None) == COMMANDS.start(Launcher.DIRECT) == "konivrer-watch start '/r/a b'"
    assert COMMANDS.start(Launcher.SYSTEMD) == "systemctl --user start konivrer-watch-a_b-1.service"
    system = Commands(b"/r", "u.service", "c", is_users=False)
    assert system.look(Launcher.SYSTEMD) == "systemctl status u.service"
    assert system.restart(Launcher.DOCKER, 7, hangs=True) == "docker restart c"
    assert system.start(Launcher.DOCKER) == "konivrer-watch service install --docker /r"
    assert COMMANDS.restart(Launcher.DIRECT, 7, hangs=True) == "konivrer-watch restart '/r/a b'"
    assert COMMANDS.look(Launcher.DIRECT) == COMMANDS.logs(LogFile.SERVICE)
    assert COMMANDS.logs(LogFile.AUTOMATION) == "konivrer-watch logs --automation '/r/a b'"


def test_what_ends_a_service_and_what_ends_it_for_good() -> None:
    system = Commands(b"/r", "u.service", "c", is_users=False)
    assert COMMANDS.stop(None, None) == COMMANDS.stop(Launcher.DIRECT, 7) == "konivrer-watch stop '/r/a b'"
    assert COMMANDS.stop(Launcher.TERMINAL, 7) == "kill 7"
    assert COMMANDS.stop(Launcher.SYSTEMD, 7) == "systemctl --user stop konivrer-watch-a_b-1.service"
    assert system.stop(Launcher.SYSTEMD, 7) == "sudo systemctl stop u.service"
    assert system.stop(Launcher.DOCKER, 1) == "konivrer-watch service uninstall --docker /r"
    assert COMMANDS.leave(Launcher.DIRECT) == "konivrer-watch stop '/r/a b'"
    assert COMMANDS.leave(Launcher.SYSTEMD) == "konivrer-watch service uninstall '/r/a b'"
    assert system.leave(Launcher.SYSTEMD) == "sudo konivrer-watch service uninstall --system /r"
    assert system.leave(Launcher.DOCKER) == "konivrer-watch service uninstall --docker /r"


def test_a_unit_that_is_not_installed_is_not_started() -> None:
    gone = Commands(b"/r", "u.service", "c", is_installed=False)
    assert gone.start(Launcher.SYSTEMD) == "konivrer-watch start /r"


def test_a_service_whose_supervisor_is_stopped_is_not_healthy_however_well_it_is() -> None:
    well = StatusReport(root="/r", state="watching", healthy=True, launcher="direct", pid=7)
    told = unguarded(well, 6)
    assert (told.state, told.healthy, told.mend) == ("watching", False, "kill -CONT 6")
    assert (told.reason or "").startswith("its supervisor (process 6) is stopped (SIGSTOP): ")
    deaf = StatusReport(root="/r", state="degraded", healthy=False, reason="deaf")
    assert unguarded(deaf, 6) == deaf


def test_a_service_whose_folder_is_gone_can_be_left_and_not_restarted() -> None:
    deaf = StatusReport(root="/r", state="degraded", healthy=False, reason="x", launcher="direct", mend="y")
    left = parted(deaf, COMMANDS)
    assert left.mend == "konivrer-watch stop '/r/a b'"
    assert left.reason == "the folder itself is gone, or not to be entered; x"
    over = StatusReport(root="/r", state="stopped", healthy=False, launcher="direct", mend="y")
    assert parted(over, COMMANDS).mend is None
    unit = msgspec.structs.replace(over, launcher="systemd")
    assert parted(unit, COMMANDS).mend == "konivrer-watch service uninstall '/r/a b'"
    assert parted(unit, msgspec.structs.replace(COMMANDS, is_installed=False)).mend is None


def test_a_terminals_watcher_is_killed_hard_only_if_it_hangs() -> None:
    again = "; then start it again: konivrer-watch '/r/a b'"
    assert COMMANDS.restart(Launcher.TERMINAL, 7, hangs=True) == "kill -9 7" + again
    assert COMMANDS.restart(Launcher.TERMINAL, 7, hangs=False) == "kill 7" + again


def test_what_is_healthy_needs_no_mending_and_a_lack_of_watches_more_of_them() -> None:
    well = StatusReport(root="/r/a b", state="watching", healthy=True, launcher="direct", pid=7)
    assert mended(well, COMMANDS).mend is None
    deaf = StatusReport(root="/r", state="degraded", healthy=False, launcher="direct", pid=7, reason="deaf")
    assert mended(deaf, COMMANDS).mend == "konivrer-watch restart '/r/a b'"
    full = StatusReport(root="/r", state="degraded", healthy=False, reason="OS file watch limit reached.")
    assert mended(full, COMMANDS).mend == "sudo sysctl fs.inotify.max_user_watches=1048576"
