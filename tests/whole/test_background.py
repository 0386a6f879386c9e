"""The background service for real: it starts once, comes back whatever ends it, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from konivrer_watch.core.restart import Phase
from tests.bench import kills
from tests.whole.background import Background, background
from tests.whole.program import PROGRAM, calm, crowding, is_summary, watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.py").write_text("import os\n")
    return folder


@pytest.fixture
def service(root: Path, tmp_path: Path) -> Iterator[Background]:
    with background(root, tmp_path) as service:
        yield service


@pytest.fixture
def quick(root: Path, tmp_path: Path) -> Iterator[Background]:
    with background(root, tmp_path, interval=1.0) as service:
        yield service


def kill(service: Background) -> int:
    """Kill the daemon; return which it was."""
    daemon = service.daemon()
    assert daemon is not None
    daemon.kill()
    return daemon.pid


def lose_state(service: Background) -> None:
    """Remove the state folder, whatever is made in it meanwhile."""
    own = service.own
    shutil.rmtree(own, ignore_errors=True)
    assert not (own / "lock").exists()


def test_it_starts_once_tells_what_runs_and_stops_without_a_trace(service: Background) -> None:
    code, out, errors = service.call("start")
    daemon, supervisor = service.daemon(), service.supervisor()
    assert daemon is not None
    numbers = f"process {daemon.pid}, supervisor {supervisor.pid}"
    assert (code, out.splitlines()[0], errors) == (0, f"{service.root}: started, {numbers}", "")
    assert out.splitlines()[-1].split(maxsplit=2)[2] == f"konivrer-watch stop {service.root}"
    assert service.call("start") == (0, f"{service.root}: runs already, {numbers}\n", "")
    status = service.status()
    assert (status["launcher"], status["pid"], status["supervisor_pid"]) == (
        "direct",
        daemon.pid,
        supervisor.pid,
    )
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []
    assert service.call("status")[0] == 3
    assert service.record().phase is Phase.STOPPED
    assert service.call("stop") == (0, f"{service.root}: nothing ran\n", "")


def opened(pid: int) -> list[str]:
    """Return what a process has open at this moment."""
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # What it closes meanwhile is gone.
        with suppress(FileNotFoundError):
            links.append(os.readlink(link))
    return links


def test_the_supervisor_has_a_session_of_its_own_no_terminal_and_nothing_of_whoever_started_it(
    service: Background,
) -> None:
    command = [PROGRAM, "start", str(service.root)]
    # Outside the root, which the daemon itself has open at times.
    theirs = service.root.parent / "theirs"
    kept = os.open(theirs, os.O_RDWR | os.O_CREAT)
    os.set_inheritable(kept, True)
    try:
        # Were its output still open somewhere, this would not return.
        environment = {**os.environ, **service.environment}
        ended = subprocess.run(
            command,
            capture_output=True,
            env=environment,
            timeout=40,
            pass_fds=[kept],
        )
    finally:
        os.close(kept)
    assert (ended.returncode, ended.stderr) == (0, b"")
    supervisor, daemon = service.supervisor(), service.daemon()
    assert daemon is not None
    assert os.getsid(supervisor.pid) == os.getpgid(supervisor.pid) == supervisor.pid
    assert os.getpgid(daemon.pid) == daemon.pid
    for process in (supervisor, daemon):
        assert process.terminal() is None
        assert process.cwd() == "/"
        assert "Umask:\t0077" in Path(f"/proc/{process.pid}/status").read_text()
        assert str(theirs) not in opened(process.pid)
    assert [os.readlink(f"/proc/{supervisor.pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    assert service.call("stop")[0] == 0


def test_a_killed_daemon_is_back_within_two_seconds_and_says_why(service: Background) -> None:
    service.start()
    old = kill(service)
    crowded = crowding()
    took = service.wait_for(lambda: service.serves_anew(old), 10)
    assert took < 2 * max(crowded, crowding())
    assert (service.record().restarts, service.record().reason) == (1, "killed by signal 9")
    assert service.status()["restarts"] == 1
    assert "the daemon crashed: killed by signal 9" in service.service_log()


def test_a_stopped_daemon_is_taken_for_hung_and_replaced(quick: Background) -> None:
    quick.start()
    daemon = quick.daemon()
    assert daemon is not None
    daemon.send_signal(signal.SIGSTOP)
    took = quick.wait_for(lambda: quick.serves_anew(daemon.pid), 11)
    assert took < 11
    assert quick.record().reason == "hung: no sign of life for 1 s"
    assert len(quick.having("_serve")) == 1


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_killed_supervisor_takes_its_daemon_with_it_within_two_seconds(
    service: Background, state: str
) -> None:
    service.start()
    daemon = service.daemon()
    assert daemon is not None
    if state == "stopped":
        daemon.send_signal(signal.SIGSTOP)
    supervisor = service.supervisor()
    supervisor.kill()
    service.wait_for(lambda: service.processes() == [], 2)
    assert service.call("status")[0] == 3
    assert (service.record().phase, service.record().supervisor_pid) == (Phase.RUNNING, supervisor.pid)
    service.start()
    assert service.record().supervisor_pid != supervisor.pid
    told = f"the supervisor before, process {supervisor.pid}, ended without a word"
    assert told in service.service_log()


def stop_ruff(service: Background) -> psutil.Process:
    """Stop a run of ruff in the middle of its work: it would outlive its daemon, whose end does not concern it."""
    for number in range(100):
        (service.root / "large.py").write_text(f"x = {number}\n" + "import sys\n" * 90_000)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            for ruff in service.having("check"):
                with suppress(psutil.NoSuchProcess):
                    ruff.send_signal(signal.SIGSTOP)
                    if ruff.status() == psutil.STATUS_STOPPED:
                        return ruff
    raise AssertionError("ruff was never met at work")


def test_a_run_of_ruff_that_a_killed_daemon_leaves_is_ended_before_the_next_life(service: Background) -> None:
    service.start()
    ruff = stop_ruff(service)
    old = kill(service)
    service.wait_for(lambda: service.serves_anew(old), 10)
    assert not ruff.is_running()
    assert service.call("stop")[0] == 0
    assert service.processes() == []


def test_a_stop_ends_a_stopped_daemon_and_a_stopped_supervisor_too(service: Background) -> None:
    service.start()
    daemon = service.daemon()
    assert daemon is not None
    daemon.send_signal(signal.SIGSTOP)
    service.supervisor().send_signal(signal.SIGSTOP)
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []
    assert service.record().phase is Phase.STOPPED


def test_a_restart_starts_what_runs_anew_and_what_does_not_run(service: Background) -> None:
    assert service.call("restart")[0] == 0
    first = service.supervisor().pid
    assert service.call("restart")[0] == 0
    assert service.supervisor().pid != first
    assert len(service.having("_serve")) == 1


def test_a_faulty_setting_is_named_before_anything_is_started_or_ended(service: Background) -> None:
    (service.root / "konivrer-watch.toml").write_text("fixx = 1\nworkers = 0\n")
    for command in ("start", "restart"):
        code, out, errors = service.call(command)
        assert (code, out) == (2, "")
        assert "fixx" in errors
        assert "workers" in errors
    assert service.processes() == []
    assert not service.state.exists()


def test_a_terminal_that_watches_the_root_is_named_and_left_alone(root: Path, tmp_path: Path) -> None:
    state = {"KONIVRER_WATCH_STATE_DIR": os.environ["KONIVRER_WATCH_STATE_DIR"]}
    with background(root, tmp_path) as service, watching(root) as watcher:
        service.environment = {**service.environment, **state}
        watcher.wait_for(is_summary)
        for command in ("start", "stop", "restart"):
            code, out, errors = service.call(command)
            assert (code, out) == (2, ""), command
            assert f"process {watcher.process.pid}" in errors
            assert "erminal" in errors
        assert watcher.process.poll() is None


def test_two_starts_at_once_start_one(service: Background) -> None:
    environment = {**calm(), **service.environment}
    command = [PROGRAM, "start", str(service.root)]
    pair = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=40) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], ended
    assert len(service.having("_supervise")) == len(service.having("_serve")) == 1


def test_a_start_that_a_stop_overtakes_says_so_and_leaves_nothing(service: Background) -> None:
    environment = {**calm(), **service.environment}
    command = [PROGRAM, "start", str(service.root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as starting:
        service.wait_for(lambda: service.having("_supervise") != [], 10)
        assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
        out, errors = starting.communicate(timeout=40)
    assert (starting.returncode, out) == (1, b"")
    assert errors.decode() == f"konivrer-watch: {service.root}: it was stopped meanwhile\n"
    assert service.processes() == []


def test_a_service_whose_state_folder_is_removed_begins_anew(quick: Background) -> None:
    quick.start()
    supervisor, old = quick.supervisor(), quick.daemon()
    assert old is not None
    shutil.rmtree(quick.state, ignore_errors=True)
    quick.wait_for(lambda: quick.state.exists() and quick.serves_anew(old.pid), 10)
    assert quick.supervisor().pid == supervisor.pid
    assert quick.record().phase is Phase.RUNNING
    assert quick.call("stop")[0] == 0
    assert quick.processes() == []


def test_a_service_whose_state_folder_was_just_removed_is_seen_and_stopped(service: Background) -> None:
    service.start()
    daemon, supervisor = service.daemon(), service.supervisor()
    assert daemon is not None
    lose_state(service)
    report = service.status()
    assert (report["state"], report["pid"], report["supervisor_pid"]) == (
        "starting",
        daemon.pid,
        supervisor.pid,
    )
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []


def test_a_service_that_begins_anew_without_its_state_folder_is_started_once_and_stopped(
    service: Background,
) -> None:
    service.start()
    supervisor = service.supervisor()
    lose_state(service)
    # Answered once the supervisor has noticed, which it does each 5 s.
    code, out, _ = service.call("start")
    assert (code, out.endswith(f", supervisor {supervisor.pid}\n")) == (0, True)
    assert len(service.having("_supervise")) == len(service.having("_serve")) == 1
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []


def test_without_room_for_a_word_in_its_locks_a_service_is_found_and_stopped(service: Background) -> None:
    service.start()
    for name in ("lock", "supervisor.lock"):
        os.truncate(service.own / name, 0)
    (service.own / "service.json").unlink()
    assert service.status()["state"] in ("checking", "watching")
    assert service.call("restart")[0] == 0
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []


def test_a_service_whose_root_is_moved_away_is_asked_read_and_stopped_by_its_name(
    service: Background,
) -> None:
    service.start()
    service.root.rename(service.root.with_name("moved"))
    code, report, _ = service.call("status")
    assert code == 1
    assert "the folder itself is gone" in report
    assert report.splitlines()[-1].split(maxsplit=1) == ["mend", f"konivrer-watch stop {service.root}"]
    code, logs, _ = service.call("logs", "--service")
    assert (code, "daemon started" in logs) == (0, True)
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []
    code, report, _ = service.call("status")
    assert (code, "\n  mend" in report) == (3, False)
    assert service.call("restart")[0] == 2


def test_a_supervisor_that_is_stopped_is_no_health(service: Background) -> None:
    service.start()
    supervisor, daemon = service.supervisor(), service.daemon()
    assert daemon is not None
    service.wait_for(lambda: service.call("status")[0] == 0, 10)
    supervisor.send_signal(signal.SIGSTOP)
    code, report, _ = service.call("status")
    assert code == 1
    assert f"its supervisor (process {supervisor.pid}) is stopped (SIGSTOP)" in " ".join(report.split())
    assert report.splitlines()[-1].split(maxsplit=1) == ["mend", f"kill -CONT {supervisor.pid}"]
    supervisor.send_signal(signal.SIGCONT)
    service.wait_for(lambda: service.call("status")[0] == 0, 5)


def test_a_daemon_that_cannot_start_is_told_with_its_reason_and_tried_again_until_stopped(
    service: Background,
) -> None:
    # Its socket cannot be made where a folder is in the way.
    service.start()
    assert service.call("stop")[0] == 0
    (service.own / "control.sock").mkdir()
    began = time.monotonic()
    code, out, errors = service.call("start")
    assert (code, out) == (1, "")
    assert time.monotonic() - began < 30
    assert "failed: exit code " in errors
    assert "is tried again at " in errors
    assert f"; correct the cause, then: konivrer-watch restart {service.root}; " in errors
    assert str(service.own / "logs" / "auto-service-continuous.log") in errors
    assert service.call("stop") == (0, f"{service.root}: stopped\n", "")
    assert service.processes() == []


def test_the_supervisor_is_small(service: Background) -> None:
    service.start()
    memory = psutil.Process(service.supervisor().pid).memory_full_info()
    assert memory.uss < 30 << 20


def test_random_kills_of_a_busy_service_leave_one_daemon_each_time_and_nothing_at_the_end(
    tmp_path: Path,
) -> None:
    victims = ["engine", "daemon", "supervisor", "engine", "supervisor", "engine"] * 2
    done, census, left = kills.run(victims, 5, tmp_path)
    assert [kill for kill in done if kill.is_late] == []
    assert census.most == 1
    assert left == []
