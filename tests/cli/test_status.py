"""``status`` tells the state of a root by text, JSON and exit code, whoever answers."""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import msgspec
import pytest

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.core.model import Level, LogFile
from konivrer_watch.report.json import encode
from konivrer_watch.report.status import StatusReport, WatchReport
from konivrer_watch.system.control import Request, Status, serve
from tests.cli.running import answer, invoke

FIELDS = [
    *("schema", "root", "state", "healthy", "reason", "pid", "supervisor_pid", "launcher", "started"),
    *(
        "uptime_s",
        "restarts",
        "restart_reason",
        "as_of",
        "complete",
        "queue",
        "findings",
        "load",
        "heal",
        "pull",
    ),
    *("watch", "memory_mb", "logs", "problems", "mend"),
]


def running(root: Path, **changes: Any) -> StatusReport:
    whole = StatusReport(
        root=str(root),
        state="watching",
        healthy=True,
        pid=7,
        launcher="terminal",
        uptime_s=93_784,
        as_of="2026-01-01T00:00:00Z",
        complete=True,
        findings=dict.fromkeys(Level, 0),
        watch=WatchReport("watchfiles", 3),
    )
    return msgspec.structs.replace(whole, **changes)


@contextlib.contextmanager
def serving(root: Path, reply: bytes) -> Iterator[list[Request]]:
    """Answer at the control socket of a root; gives the requests that came."""
    asked: list[Request] = []

    async def handle(request: Request) -> bytes:
        asked.append(request)
        return reply

    socket = find_socket(find_state(root.resolve(), environment()), environment())
    with anyio.from_thread.start_blocking_portal("asyncio") as portal:
        future, _ = portal.start_task(functools.partial(serve, socket, handle))
        yield asked
        future.cancel()


def test_a_stopped_root_prints_every_field_and_exits_with_3(tmp_path: Path) -> None:
    code, report = answer("status", "--format", "json", str(tmp_path))
    assert code == 3
    assert list(report) == FIELDS
    assert (report["state"], report["healthy"], report["root"]) == (
        "stopped",
        False,
        str(tmp_path.resolve()),
    )
    result = invoke("status", str(tmp_path))
    assert result.return_value == 3
    assert result.output.splitlines() == [
        f"{tmp_path}: stopped",
        "  why        no service watches this folder",
        f"  mend       konivrer-watch start {tmp_path}",
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"state": "checking"}, 0),
        ({"state": "paused", "reason": "CPU"}, 0),
        ({"state": "degraded", "healthy": False}, 1),
        ({"synced": True}, 0),
        ({"synced": False}, 1),
    ],
)
def test_the_exit_code_tells_health_and_whether_it_is_in_sync(
    tmp_path: Path, changes: dict[str, Any], code: int
) -> None:
    with serving(tmp_path, encode(running(tmp_path, **changes))):
        ended, report = answer("status", "--format", "json", str(tmp_path))
    assert ended == code
    assert report["state"] == changes.get("state", "watching")
    assert ("synced" in report) is ("synced" in changes)


def test_the_options_reach_the_service(tmp_path: Path) -> None:
    with serving(tmp_path, encode(running(tmp_path))) as asked:
        invoke("status", "--sync", "--findings", "--timeout", "2.5", str(tmp_path))
        invoke("status", str(tmp_path))
    assert asked == [
        Status(sync=True, findings=True, timeout=2.5),
        Status(sync=False, findings=False, timeout=60.0),
    ]


@pytest.mark.parametrize("reply", [b"pong", b"{}", b"\xff", b'{"root": 1}'])
def test_an_answer_that_is_none_is_a_failed_service(tmp_path: Path, reply: bytes) -> None:
    with serving(tmp_path, reply):
        code, report = answer("status", "--format", "json", str(tmp_path))
        text = invoke("status", str(tmp_path))
    assert (code, report["state"], report["healthy"]) == (1, "failed", False)
    assert text.return_value == 1
    assert text.output.startswith(
        f"{tmp_path}: failed, NOT HEALTHY\n  why        what answers is another version"
    )
    assert text.output.endswith(f"\n  mend       konivrer-watch restart {tmp_path}\n")


def test_the_logs_that_are_there_are_listed_whoever_answers(tmp_path: Path) -> None:
    logs = find_state(tmp_path.resolve(), environment()).own / "logs"
    logs.mkdir(parents=True)
    (logs / LogFile.SERVICE).write_text("x" * 1234)
    os.utime(logs / LogFile.SERVICE, (1_767_225_600, 1_767_225_600))
    wanted = [{"path": str(logs / LogFile.SERVICE), "bytes": 1234, "modified": "2026-01-01T00:00:00Z"}]
    assert answer("status", "--format", "json", str(tmp_path))[1]["logs"] == wanted
    with serving(tmp_path, encode(running(tmp_path))):
        assert answer("status", "--format", "json", str(tmp_path))[1]["logs"] == wanted
        assert "auto-heal.log: never written" in invoke("status", str(tmp_path)).output


def test_asking_imports_no_event_loop_and_no_engine() -> None:
    heavy = "{'anyio', 'psutil', 'sqlite3', 'watchfiles', 'bandit', 'konivrer_watch.daemon.app'}"
    code = f"import konivrer_watch.cli.status, sys; print({heavy} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    assert ended.stdout == b"set()\n"
