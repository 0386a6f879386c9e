"""``status`` tells the state of a root by text, JSON and exit code, whoever answers."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import msgspec
import pytest

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_socket, find_state
from konivrer_watch.core.model import Level, Pass, Problem, ProblemKind
from konivrer_watch.report.json import encode, problem_json
from konivrer_watch.report.status import (
    LoadReport,
    StatusReport,
    WatchReport,
    status_text,
    stopped,
    unanswered,
)
from konivrer_watch.system.control import Request, Status, serve
from tests.cli.running import answer, invoke

FIELDS = [
    *("schema", "root", "state", "healthy", "reason", "pid", "supervisor_pid", "launcher", "started"),
    *("uptime_s", "restarts", "as_of", "complete", "queue", "findings", "load", "heal", "pull", "watch"),
    *("memory_mb", "logs", "problems"),
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
    assert result.output == f"{tmp_path}: stopped; start it with 'konivrer-watch {tmp_path}'\n"


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
    assert text.output.startswith(f"{tmp_path}: failed, NOT HEALTHY: ")
    assert text.output.count("\n") == 1


def test_text_tells_what_holds_what_is_wrong_and_since_when(tmp_path: Path) -> None:
    problem = Problem(ProblemKind.TOO_LARGE, "larger than 1024 kB", "exclude it")
    lines = status_text(
        running(
            tmp_path,
            healthy=False,
            reason="inotify limit",
            complete=False,
            synced=False,
            findings={Level.ERROR: 1, Level.WARNING: 0, Level.NOTE: 2},
            problems=[problem_json(b"b\x1b.py", Pass.LINT, problem), problem_json(b"", None, problem)],
        )
    ).splitlines()
    assert lines[0] == f"{tmp_path}: watching, NOT HEALTHY: inotify limit"
    assert "  process    7 (terminal), up 1 d 2 h 3 min" in lines
    assert (
        "  as of      2026-01-01T00:00:00Z, incomplete; NOT IN SYNC: the time given was not enough" in lines
    )
    assert "  findings   1 error, 0 warnings, 2 notes" in lines
    assert "  watch      watchfiles" in lines
    assert "  load       not measured: no work" in lines
    assert "  problem    b\\x1b.py (lint): larger than 1024 kB; exclude it" in lines
    assert "  problem    larger than 1024 kB; exclude it" in lines


def test_a_load_that_was_measured_is_shown_with_one_decimal(tmp_path: Path) -> None:
    text = status_text(running(tmp_path, load=LoadReport(12.34, None, 0.0)))
    assert (
        "  load       12.3 % CPU and unknown memory used by others, 0.0 % CPU by this service"
        in text.splitlines()
    )


def test_no_more_than_ten_problems_are_listed(tmp_path: Path) -> None:
    problem = problem_json(b"a.py", None, Problem(ProblemKind.ENGINE, "x", "y"))
    text = status_text(running(tmp_path, problems=[problem] * 1234))
    assert text.count("  problem ") == 10
    assert text.endswith("             and 1,224 more")


def test_a_status_without_a_process_is_one_line() -> None:
    assert "\n" not in status_text(stopped("/r\n"))
    assert status_text(unanswered("/r", "no answer")) == "/r: failed, NOT HEALTHY: no answer"
