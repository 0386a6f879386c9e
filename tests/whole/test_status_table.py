"""``status`` tells each situation apart, with its exit code and the command that mends it. One row, one test.

Real processes, real locks; the record is written by hand where the row is about what a supervisor left behind, and an
answer where it is about what the service says of itself.
"""

import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.from_thread
import psutil
import pytest

from konivrer_watch.cli import places
from konivrer_watch.cli import status as status_command
from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.core.model import Launcher, Level
from konivrer_watch.core.restart import Phase, ServiceRecord
from konivrer_watch.report.json import encode
from konivrer_watch.report.status import LoadReport, StatusReport, WatchReport
from konivrer_watch.report.unit import unit_name
from konivrer_watch.system.control import Request, serve
from konivrer_watch.system.lease import hold_lease
from konivrer_watch.system.record import boot_id, write_record
from tests.cli.running import answer, invoke
from tests.whole.program import PROGRAM, Watcher, calm, is_summary, run, watching


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "дом es"
    root.mkdir()
    (root / "a.py").write_text("import os\n")
    return root.resolve()


def own(root: Path) -> Path:
    return find_state(root, environment()).own


def ask(root: Path) -> tuple[int, Any]:
    """The exit code and the report, once the text was seen to say the same."""
    code, report = answer("status", "--format", "json", str(root))
    text = invoke("status", str(root))
    assert text.return_value == code
    health = {"stopped": "", True: ", healthy", False: ", NOT HEALTHY"}
    shown = health["stopped"] if report["state"] == "stopped" else health[report["healthy"]]
    assert text.output.splitlines()[0] == f"{root}: {report['state']}{shown}"
    assert (report["mend"] is None) is ("\n  mend  " not in text.output)
    assert "Traceback" not in text.output
    return code, report


def records(root: Path, phase: Phase, launcher: Launcher = Launcher.DIRECT, **rest: Any) -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    soon = (datetime.now(UTC) + timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"boot": boot_id(), "supervisor_pid": 4711, "retry_at": soon, **rest}
    write_record(own(root), ServiceRecord(launcher, started=at, at=at, phase=phase, **fields))


@contextmanager
def answering(root: Path, report: StatusReport) -> Iterator[None]:
    async def handle(request: Request) -> bytes:
        return encode(report)

    socket = find_socket(find_state(root, environment()), environment())
    with anyio.from_thread.start_blocking_portal("asyncio") as portal:
        future, _ = portal.start_task(functools.partial(serve, socket, handle))
        yield
        future.cancel()


def said(root: Path, **changes: Any) -> StatusReport:
    fields: Mapping[str, Any] = {
        "root": str(root),
        "state": "watching",
        "healthy": True,
        "pid": 7,
        "launcher": "direct",
        "as_of": "2026-01-01T00:00:00Z",
        "findings": dict.fromkeys(Level, 0),
        "watch": WatchReport("watchfiles", 3),
        **changes,
    }
    return StatusReport(**fields)


def test_never_started(root: Path) -> None:
    code, report = ask(root)
    assert (code, report["state"]) == (3, "stopped")
    assert report["mend"] == f"konivrer-watch start '{root}'"


def test_stopped(root: Path) -> None:
    records(root, Phase.STOPPED)
    code, report = ask(root)
    assert (code, report["state"], report["launcher"]) == (3, "stopped", "direct")
    assert report["reason"].startswith("stopped at 20")
    assert report["reason"].endswith("(1 h ago)")


def test_not_started_since_the_machine_booted(root: Path) -> None:
    records(root, Phase.RUNNING, Launcher.SYSTEMD, boot="another boot")
    units = Path(environment()["HOME"]) / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    unit = unit_name(own(root).name)
    (units / unit).write_text("")
    code, report = ask(root)
    assert (code, report["state"]) == (3, "stopped")
    assert report["reason"] == "not started since this machine booted"
    assert report["mend"] == f"systemctl --user start {unit}"
    (units / unit).unlink()
    assert ask(root)[1]["mend"] == f"konivrer-watch start '{root}'"


def test_a_folder_below_one_that_is_watched(root: Path) -> None:
    below = root / "pkg" / "sub"
    below.mkdir(parents=True)
    with hold_lease(own(root) / "lock", "process 42 (systemd), since now"):
        code, report = ask(below)
    assert (code, report["state"]) == (3, "stopped")
    assert report["reason"] == f"no service watches this folder by itself; {root} above it is watched"
    assert report["mend"] == f"konivrer-watch status '{root}'"


def test_healthy(root: Path) -> None:
    with watching(root, "--plain") as watcher:
        watcher.wait_for(is_summary)
        code, report = ask(root)
    assert (code, report["state"], report["healthy"], report["mend"]) == (0, "watching", True, None)
    assert report["pid"] == watcher.process.pid


def test_hung(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_command, "_GRACE_SECONDS", 0.3)
    with watching(root, "--plain") as watcher:
        watcher.wait_for(is_summary)
        watcher.process.send_signal(signal.SIGSTOP)
        code, report = ask(root)
    assert (code, report["state"], report["healthy"]) == (1, "failed", False)
    assert report["reason"].startswith(f"hung: process {watcher.process.pid} listens and does not answer")
    assert report["mend"].startswith(f"kill -9 {watcher.process.pid}; ")


def test_just_begun(root: Path) -> None:
    with hold_lease(own(root) / "lock", "process 42 (systemd), since now"):
        code, report = ask(root)
    assert (code, report["state"], report["pid"], report["launcher"]) == (1, "starting", 42, "systemd")


def test_socket_gone(root: Path) -> None:
    with watching(root, "--plain") as watcher:
        watcher.wait_for(is_summary)
        find_socket(find_state(root, environment()), environment()).unlink()
        report = _aged(root)
    assert (report["healthy"], report["state"]) == (False, "failed")
    assert "its control socket is gone or elsewhere" in report["reason"]


def test_waiting_for_the_next_life(root: Path) -> None:
    records(root, Phase.WAITING, failures=2, reason="killed by signal 9")
    with hold_lease(own(root) / "supervisor.lock", "supervisor"):
        code, report = ask(root)
    assert (code, report["state"], report["supervisor_pid"]) == (1, "starting", 4711)
    assert report["reason"].startswith("crashed 2 times in a row, the last time: killed by signal 9; ")
    assert report["mend"] == f"konivrer-watch logs --service '{root}'"


def test_failed(root: Path) -> None:
    records(root, Phase.FAILED, failures=7, restarts=6, reason="exit code 2: no such rule")
    with hold_lease(own(root) / "supervisor.lock", "supervisor"):
        code, report = ask(root)
    assert (code, report["state"], report["restarts"]) == (1, "failed", 6)
    assert report["reason"].startswith("FAILED: it crashed 7 times in a row")
    assert report["mend"] == f"konivrer-watch restart '{root}'"


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
def test_waiting_under_systemd_and_docker(root: Path, launcher: Launcher) -> None:
    records(root, Phase.FAILED, launcher, failures=7, reason="no room on the disk", supervisor_pid=None)
    code, report = ask(root)
    assert (code, report["state"], report["launcher"]) == (1, "failed", launcher)


def test_ended_without_a_word(root: Path) -> None:
    records(root, Phase.RUNNING, Launcher.DOCKER, supervisor_pid=None)
    code, report = ask(root)
    assert (code, report["state"]) == (3, "stopped")
    assert report["reason"].startswith("it ended without a word; Docker starts it again")
    assert report["mend"].startswith("docker ps ")


def test_deaf(root: Path) -> None:
    reason = "watchfiles is deaf: a change that it was to tell of did not come back within 5 s"
    deaf = said(root, state="degraded", healthy=False, reason=reason)
    with answering(root, deaf):
        code, report = ask(root)
    assert (code, report["state"], report["reason"]) == (1, "degraded", reason)
    assert report["mend"] == f"konivrer-watch restart '{root}'"


def test_paused(root: Path) -> None:
    load = LoadReport(95.0, 10.0, 0.0, paused=True, paused_s=61, cause="cc1plus")
    with answering(root, said(root, state="paused", reason="others use 95 % of the CPU", load=load)):
        code, report = ask(root)
        text = " ".join(invoke("status", str(root)).output.split())
    assert (code, report["state"], report["mend"]) == (0, "paused", None)
    assert "why others use 95 % of the CPU" in text
    assert "paused for 1 min 1 s, mostly because of cc1plus" in text


LIMITED = 'echo 2 > /proc/sys/user/max_inotify_watches && exec "$@"'


def test_degraded(root: Path) -> None:
    for number in range(5):
        (root / str(number)).mkdir()
    before = ["unshare", "-U", "-r", "sh", "-c", LIMITED, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*before, "true"], check=False).returncode:
        pytest.skip("the limit of watches cannot be lowered here (unshare -U)")
    process = subprocess.Popen(
        [*before, PROGRAM, "--plain", str(root)], stdout=subprocess.DEVNULL, env=calm()
    )
    try:
        report = _until(root, "degraded")
        code, _ = ask(root)
    finally:
        process.kill()
        process.wait(10)
    assert (code, report["healthy"]) == (1, False)
    assert "watch limit" in report["reason"]
    assert report["mend"].startswith("sudo sysctl fs.inotify.max_user_watches=")


def _until(root: Path, state: str, **wanted: Any) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        _, report = answer("status", "--format", "json", str(root))
        if report["state"] == state and wanted.items() <= report.items():
            return report
        time.sleep(0.05)
    pytest.fail(f"not {state} in time: {report}")


def test_restarted_and_then_orphaned(root: Path) -> None:
    try:
        assert run("start", str(root), environment=calm()).returncode == 0
        first = _until(root, "watching")
        psutil.Process(first["pid"]).kill()
        _until(root, "watching", restarts=1)
        code, report = ask(root)
        assert (code, report["launcher"], report["healthy"]) == (0, "direct", True)
        assert report["restart_reason"] == "killed by signal 9"
        assert report["pid"] != first["pid"]
        assert "auto-service-continuous.log" in [Path(log["path"]).name for log in report["logs"]]
        text = " ".join(invoke("status", str(root)).output.split())
        assert "restarted once; the life before ended so: killed by signal 9" in text
        assert "auto-heal.log: never written" in text
        psutil.Process(report["supervisor_pid"]).kill()
        stopped = _until(root, "stopped")
        assert stopped["reason"] == f"its supervisor (process {report['supervisor_pid']}) was killed"
        assert ask(root)[0] == 3
    finally:
        run("stop", str(root))


def test_found_from_another_environment(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without a runtime folder is found by one who has it, and the other way round."""
    runtime = tmp_path / str(os.geteuid())
    runtime.mkdir(mode=0o700)
    with watching(root, "--plain") as watcher:
        watcher.wait_for(is_summary)
        assert run("status", str(root), environment={"XDG_RUNTIME_DIR": str(runtime)}).returncode == 0
    with monkeypatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        other = Watcher(root, "--plain")
    try:
        other.wait_for(is_summary)
        # No rule leads there; its lock does.
        assert ask(root)[0] == 0
        os.truncate(own(root) / "lock", 0)
        assert "its control socket is gone or elsewhere" in _aged(root)["reason"]
        monkeypatch.setattr(places, "_RUNTIME_FOLDERS", str(tmp_path))
        assert ask(root)[0] == 0
    finally:
        other.close()


def _aged(root: Path) -> Any:
    """The status while the lock is older than a start takes."""
    os.utime(own(root) / "lock", (1, 1))
    return ask(root)[1]
