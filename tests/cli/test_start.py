"""Starting and stopping beside somebody else who has the root: said by whom, and nothing of theirs is touched."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import pytest

from konivrer_watch.cli import start, stop
from konivrer_watch.cli.occupant import Occupant, find_occupant
from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import STATE_VARIABLE, find_state
from konivrer_watch.core.errors import LeaseHeldError, StopError, UsageFault
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import begin, crashed, restarted, stopped
from konivrer_watch.core.status import State
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.status import StatusReport
from konivrer_watch.report.text import path_text
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.process import spawn_supervisor
from konivrer_watch.system.record import boot_id, now_text, write_record
from tests.cli.running import commands, invoke

# Holds the lock named first, with the text that follows, until its standard input ends or it is killed.
HOLDER = """
import os, sys
from pathlib import Path
from konivrer_watch.system.lease import hold_lease
with hold_lease(Path(sys.argv[1]), sys.argv[2].format(os.getpid())):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "ro ot"
    folder.mkdir()
    return folder


@pytest.fixture
def folders(root: Path) -> StateFolders:
    return find_state(root, environment())


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (start, stop):
        monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(start, "_SERVE_SECONDS", 0.1)


@contextmanager
def holding(lock: Path, words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds a lock."""
    command = [sys.executable, "-c", HOLDER, str(lock), words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_nobody_has_a_root_that_nobody_watches(folders: StateFolders) -> None:
    assert find_occupant(folders) is None
    with hold_lease(folders.lock, f"process {os.getpid()} (terminal), since now"):
        assert find_occupant(folders) is not None
    assert find_occupant(folders) is None


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
def test_a_start_beside_another_service_says_what_runs_and_is_content(
    root: Path, folders: StateFolders, launcher: Launcher
) -> None:
    with hold_lease(folders.lock, f"process 1 ({launcher}), since then"):
        result = invoke("start", str(root))
    assert result.return_value == 0
    assert (
        result.stdout == f"{root}: runs already, started by {launcher} (process 1 ({launcher}), since then)\n"
    )


@pytest.mark.parametrize(
    ("command", "launcher", "told"),
    [
        (
            "stop",
            Launcher.SYSTEMD,
            "end it, until the next boot, with: systemctl --user stop konivrer-watch-",
        ),
        ("stop", Launcher.DOCKER, "end it with: konivrer-watch service uninstall --docker '"),
        ("stop", Launcher.TERMINAL, "end it with Ctrl-C in its terminal, or with: kill "),
        ("restart", Launcher.SYSTEMD, "restart it with: systemctl --user restart konivrer-watch-"),
        ("restart", Launcher.DOCKER, "restart it with: docker restart konivrer-watch-"),
        ("restart", Launcher.TERMINAL, "end it with Ctrl-C in its terminal, or with: kill "),
    ],
)
def test_what_another_runs_is_left_alone_and_the_command_named_that_does_it(
    root: Path, folders: StateFolders, launcher: Launcher, told: str, command: str
) -> None:
    words = f"process {{}} ({launcher}), since then"
    with holding(folders.lock, words) as holder:
        with pytest.raises(LeaseHeldError) as caught:
            invoke(command, str(root))
        assert holder.poll() is None
    assert f"{root}: {launcher} runs this one (process {holder.pid} ({launcher}), since then)" in str(
        caught.value
    )
    assert told in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("words", "who", "end"),
    [
        ("process {} (terminal), since then", "a terminal", "kill {}"),
        ("?", "somebody", "konivrer-watch stop "),
    ],
)
@pytest.mark.usefixtures("_impatient")
def test_a_start_beside_a_terminal_or_a_stranger_is_refused_with_the_command_that_ends_that_one(
    root: Path, folders: StateFolders, words: str, who: str, end: str
) -> None:
    said = words.format(os.getpid())
    with hold_lease(folders.lock, said), pytest.raises(LeaseHeldError) as caught:
        invoke("start", str(root))
    assert f"{root}: {who} watches this one already ({said}); end that one first: " in str(caught.value)
    assert f"first: {end.format(os.getpid())}" in str(caught.value)


@pytest.mark.usefixtures("_impatient")
def test_a_stop_does_not_touch_a_process_that_only_has_the_holders_number(
    root: Path, folders: StateFolders
) -> None:
    # A new supervisor holds the lock and has not written its name yet: what is there names somebody else.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        record = begin(None, Launcher.DIRECT, boot_id(), now_text(), innocent.pid)
        write_record(folders.own, record)
        with (
            hold_lease(folders.supervisor_lock, f"process {innocent.pid} (direct), since then"),
            pytest.raises(StopError, match="end that one by hand"),
        ):
            invoke("stop", str(root))
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize("ignoring", [False, True])
def test_a_stop_finds_the_supervisor_by_the_lock_and_ends_it_whatever_it_does(
    root: Path, folders: StateFolders, ignoring: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "_GRACE_SECONDS", 0.2)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN) if ignoring else signal.getsignal(signal.SIGTERM)
    try:
        with holding(folders.supervisor_lock, "process {} (direct), since then") as holder:
            result = invoke("stop", str(root))
            assert holder.wait(5) == (-signal.SIGKILL if ignoring else -signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.return_value, result.stdout) == (0, f"{root}: stopped\n")


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
@pytest.mark.parametrize("name", ["supervisor.lock", "lock"])
@pytest.mark.parametrize("loss", ["emptied", "removed"])
@pytest.mark.usefixtures("_impatient")
def test_a_stop_finds_who_holds_a_lock_without_a_word_or_without_its_file(
    root: Path, folders: StateFolders, name: str, loss: str
) -> None:
    lock = folders.own / name
    command = [sys.executable, "-c", HOLDER, str(lock), "", "--launcher", "direct"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        if loss == "removed":
            shutil.rmtree(folders.own)
        assert invoke("stop", str(root)).stdout == f"{root}: stopped\n"
        assert holder.wait(5) == -signal.SIGTERM
    assert invoke("stop", str(root)).stdout == f"{root}: nothing ran\n"


@pytest.mark.usefixtures("_impatient")
def test_a_stop_that_cannot_look_into_the_state_folder_does_not_say_that_nothing_ran(
    root: Path, folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.own.mkdir(parents=True)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != folders.own and access(path, mode))
    with pytest.raises(StopError, match=r"cannot be entered.*; whether a service runs is not to be seen; "):
        invoke("stop", str(root))


@pytest.mark.usefixtures("_impatient")
def test_a_root_that_is_gone_is_stopped_all_the_same(root: Path, folders: StateFolders) -> None:
    with holding(folders.supervisor_lock, "process {} (direct), since then") as holder:
        root.rmdir()
        assert invoke("stop", str(root)).stdout == f"{root}: stopped\n"
        assert holder.wait(5) == -signal.SIGTERM


@pytest.mark.usefixtures("_impatient")
def test_a_daemon_that_outlives_its_supervisor_is_ended_too(root: Path, folders: StateFolders) -> None:
    with holding(folders.lock, "process {} (direct), since then") as holder:
        assert invoke("stop", str(root)).stdout == f"{root}: stopped\n"
        assert holder.wait(5) == -signal.SIGTERM


@pytest.mark.usefixtures("_impatient")
def test_a_supervisor_that_something_starts_again_is_told_and_not_fought(
    root: Path, folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, seconds = folders.supervisor_lock, list[subprocess.Popen[bytes]]()
    end = stop._end

    def end_one(pid: int) -> None:
        end(pid)
        seconds.append(stack.enter_context(holding(lock, "process {} (direct), since later")))

    monkeypatch.setattr(stop, "_end", end_one)
    with holding(lock, "process {} (direct), since then"), ExitStack() as stack:
        with pytest.raises(StopError, match="something starts it again") as caught:
            invoke("stop", str(root))
        (second,) = seconds
        assert f"process {second.pid} " in str(caught.value)
        assert second.poll() is None


@pytest.mark.usefixtures("_impatient")
def test_a_service_that_keeps_crashing_is_told_by_a_start_with_reason_next_attempt_and_log(
    root: Path, folders: StateFolders
) -> None:
    record = begin(None, Launcher.DIRECT, boot_id(), now_text(), os.getpid())
    for _ in range(3):
        record = restarted(crashed(record, "killed by signal 9", now_text()), now_text())
    record = crashed(record, "killed by signal 9", now_text())
    write_record(folders.own, record)
    with hold_lease(folders.supervisor_lock, "process 1 (direct), since then"):
        began = time.monotonic()
        result = invoke("start", str(root))
        assert time.monotonic() - began < 5
    assert (result.return_value, result.stdout) == (1, "")
    told = f"konivrer-watch: {root}: failed: killed by signal 9; it is tried again at {record.retry_at}; "
    assert result.stderr.startswith(told)
    assert f"; correct the cause, then: konivrer-watch restart '{root}'; its log is " in result.stderr
    assert "auto-service-continuous.log" in result.stderr


@pytest.mark.usefixtures("_impatient")
def test_what_an_earlier_service_left_on_disk_is_not_taken_for_the_state_of_this_one(
    root: Path, folders: StateFolders
) -> None:
    record = begin(None, Launcher.DIRECT, boot_id(), now_text(), 2**22 + 1)
    for _ in range(4):
        record = restarted(crashed(record, "killed by signal 9", now_text()), now_text())
    write_record(folders.own, crashed(record, "killed by signal 9", now_text()))
    with hold_lease(folders.supervisor_lock, f"process {os.getpid()} (direct), since then"):
        result = invoke("start", str(root))
    assert result.return_value == 1
    assert "failed: no answer within 0.1 s; correct the cause, then: " in result.stderr


@pytest.mark.usefixtures("_impatient")
def test_a_terminal_that_answers_in_the_supervisors_place_is_not_the_service_that_was_to_be_started(
    root: Path, folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Launcher.TERMINAL, Launcher.TERMINAL, Launcher.DIRECT]

    def answer(*asked: object) -> StatusReport:
        launcher = answers.pop(0) if len(answers) > 1 else answers[0]
        return StatusReport(
            root=path_text(bytes(root)),
            state=State.WATCHING,
            healthy=True,
            pid=42,
            supervisor_pid=7,
            launcher=launcher,
        )

    monkeypatch.setattr(start, "ask_status", answer)
    monkeypatch.setattr(start, "_SERVE_SECONDS", 5.0)
    with hold_lease(folders.supervisor_lock, "process 1 (direct), since then"):
        assert invoke("start", str(root)).stdout == f"{root}: runs already, process 42, supervisor 7\n"
    assert answers == [Launcher.DIRECT]


@pytest.mark.usefixtures("_impatient")
def test_a_service_that_is_stopped_while_a_start_waits_for_it_was_stopped(
    root: Path, folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(folders.own, stopped(begin(None, Launcher.DIRECT, boot_id(), now_text(), 7), now_text()))
    seen = [Occupant("process 7", Launcher.DIRECT, 7, is_supervised=True)] * 2
    monkeypatch.setattr(start, "_SERVE_SECONDS", 5.0)
    monkeypatch.setattr(start, "find_occupant", lambda _: seen.pop() if seen else None)
    result = invoke("start", str(root))
    assert (result.return_value, result.stdout) == (1, "")
    assert result.stderr == f"konivrer-watch: {root}: it was stopped meanwhile\n"


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
def test_a_supervisor_that_has_only_just_been_started_is_stopped_too(
    root: Path, folders: StateFolders
) -> None:
    elsewhere = {**environment(), STATE_VARIABLE: str(folders.shared) + "2"}
    ours = spawn_supervisor(root, {**elsewhere, STATE_VARIABLE: str(folders.shared)})
    other = spawn_supervisor(root, elsewhere)
    try:
        assert invoke("stop", str(root)).stdout == f"{root}: stopped\n"
        assert ours.exit_code() in (0, -signal.SIGTERM)
        assert other.exit_code() is None
        assert invoke("stop", str(root)).stdout == f"{root}: nothing ran\n"
    finally:
        for each in (ours, other):
            # Its daemon, where it has one, dies with it.
            while each.exit_code() is None:
                os.kill(each.pid, signal.SIGKILL)
                time.sleep(0.01)


@pytest.mark.parametrize("command", ["start", "stop", "restart"])
@pytest.mark.parametrize("whose", ["own", "shared"])
def test_another_users_service_is_neither_started_nor_ended(
    root: Path, folders: StateFolders, command: str, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, me, stat = getattr(folders, whose), os.geteuid(), Path.stat

    def owned(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(path, follow_symlinks=follow_symlinks)
        return os.stat_result([*found[:4], me + 1, *found[5:]]) if path == place else found

    with holding(folders.supervisor_lock, "process {} (direct), since then") as holder:
        monkeypatch.setattr(Path, "stat", owned)
        with pytest.raises(StopError) as caught:
            invoke(command, str(root))
        assert holder.poll() is None
    assert f"the state folder {place} belongs to user " in str(caught.value)
    assert "; run this as user " in str(caught.value)


def test_a_restart_ends_nothing_where_nothing_can_be_started(
    root: Path, folders: StateFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access

    def is_allowed(path: Path, mode: int) -> bool:
        return not (path == folders.own and mode & os.W_OK) and access(path, mode)

    with holding(folders.supervisor_lock, "process {} (direct), since then") as holder:
        monkeypatch.setattr(os, "access", is_allowed)
        with pytest.raises(StopError, match=r"cannot be started: .* its disk is read-only"):
            invoke("restart", str(root))
        assert holder.poll() is None


@pytest.mark.parametrize("inside", [False, True])
def test_a_state_folder_that_cannot_be_used_is_named(root: Path, folders: StateFolders, inside: bool) -> None:
    if inside:
        (folders.supervisor_lock).mkdir(parents=True)
    else:
        folders.shared.parent.mkdir(parents=True, exist_ok=True)
        folders.shared.write_text("a file in the way")
    with pytest.raises(StopError, match=f"cannot be started: .*{folders.shared}"):
        invoke("start", str(root))


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("command", ["start", "stop", "restart", "_supervise"])
def test_a_root_that_is_not_there_is_a_usage_fault(tmp_path: Path, command: str) -> None:
    with pytest.raises(UsageFault, match="there is no such folder"):
        invoke(command, str(tmp_path / "missing"))


@pytest.mark.parametrize("command", ["start", "stop", "restart"])
def test_help_has_examples_and_exit_codes(command: str) -> None:
    told = invoke(command, "--help").stdout
    assert f"konivrer-watch {command}" in told
    assert "Exit codes" in told
    assert isinstance(commands()[command], click.Command)


@pytest.fixture
def _umask() -> Iterator[None]:
    """Give back what a process of our own would have kept."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_a_second_supervisor_of_a_root_says_who_has_it_and_ends(root: Path, folders: StateFolders) -> None:
    with (
        hold_lease(folders.supervisor_lock, "process 1 (direct), since then"),
        pytest.raises(LeaseHeldError, match=r"process 1 \(direct\)"),
    ):
        invoke("_supervise", str(root))
    assert "the supervisor ended: " in (folders.own / "logs" / "auto-service-continuous.log").read_text()
