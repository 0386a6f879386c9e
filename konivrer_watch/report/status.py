"""What ``status`` answers, as a value, as JSON and as text. Pure."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from konivrer_watch.core.model import Level
from konivrer_watch.report.json import FindingJson, ProblemJson
from konivrer_watch.report.text import count, escape

_PROBLEMS_SHOWN = 10


class QueueReport(msgspec.Struct, frozen=True):
    """How many files wait, and how many are being judged."""

    waiting: int = 0
    running: int = 0


class LoadReport(msgspec.Struct, frozen=True):
    """The machine in the last seconds: percent used by others, percent used by us, and whether that stops work.

    ``None``: not measured, as there is no work that could have to wait.
    """

    cpu_percent: float | None = None
    memory_percent: float | None = None
    own_cpu_percent: float | None = None
    threshold: int = 80
    paused: bool = False
    paused_s: int = 0
    cause: str | None = None


class HealReport(msgspec.Struct, frozen=True):
    """The hourly heal; there has been none where ``last`` is ``None``."""

    last: str | None = None
    next: str | None = None
    found: int = 0
    mended: int = 0


class PullReport(msgspec.Struct, frozen=True):
    """The pull at start."""

    at: str | None = None
    result: str = "off"
    reason: str | None = None


class WatchReport(msgspec.Struct, frozen=True):
    """The source of events. ``limit`` is ``None`` where the system has none, or does not say."""

    source: str | None = None
    directories: int = 0
    limit: int | None = None
    degraded: str | None = None


class MemoryReport(msgspec.Struct, frozen=True):
    """Resident memory in megabytes."""

    daemon: int = 0
    engines: int = 0


class LogReport(msgspec.Struct, frozen=True):
    """One log file."""

    path: str
    bytes: int
    modified: str


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The service of one root. Instants are UTC; ``synced`` is there where the caller asked to wait."""

    schema: int = 1
    root: str
    state: str
    healthy: bool
    reason: str | None = None
    pid: int | None = None
    supervisor_pid: int | None = None
    launcher: str | None = None
    started: str | None = None
    uptime_s: int = 0
    restarts: int = 0
    as_of: str | None = None
    complete: bool = False
    queue: QueueReport = QueueReport()
    findings: Mapping[Level, int] = {}
    load: LoadReport = LoadReport()
    heal: HealReport = HealReport()
    pull: PullReport = PullReport()
    watch: WatchReport = WatchReport()
    memory_mb: MemoryReport = MemoryReport()
    logs: Sequence[LogReport] = ()
    problems: Sequence[ProblemJson] = ()
    synced: bool | UnsetType = UNSET
    findings_list: Sequence[FindingJson] | UnsetType = UNSET


def stopped(root: str) -> StatusReport:
    """Return the status of a root that no service watches."""
    return StatusReport(
        root=root,
        state="stopped",
        healthy=False,
        reason="no service watches this folder",
        findings=dict.fromkeys(Level, 0),
    )


def unanswered(root: str, reason: str) -> StatusReport:
    """Return the status of a root whose service is there and gives no usable answer."""
    return StatusReport(
        root=root, state="failed", healthy=False, reason=reason, findings=dict.fromkeys(Level, 0)
    )


def status_text(report: StatusReport) -> str:
    """Return the status as a person reads it."""
    if report.state == "stopped":
        return escape(f"{report.root}: stopped; start it with 'konivrer-watch {report.root}'")
    health = "healthy" if report.healthy else "NOT HEALTHY"
    head = f"{report.root}: {report.state}, {health}" + (f": {report.reason}" if report.reason else "")
    if report.pid is None:
        return escape(head)
    lines = [
        head,
        f"  process    {report.pid} ({report.launcher}), up {_span(report.uptime_s)}",
        f"  as of      {_as_of(report)}",
        f"  queue      {report.queue.waiting:,} waiting, {report.queue.running:,} running",
        "  findings   " + ", ".join([count(number, level) for level, number in report.findings.items()]),
        f"  load       {_load(report.load)}",
        f"  watch      {report.watch.source}{_degraded(report)}",
        f"  memory     {report.memory_mb.daemon} MB, engines {report.memory_mb.engines} MB",
    ]
    lines += [f"  problem    {_problem(problem)}" for problem in report.problems[:_PROBLEMS_SHOWN]]
    if len(report.problems) > _PROBLEMS_SHOWN:
        lines.append(f"             and {len(report.problems) - _PROBLEMS_SHOWN:,} more")
    if report.findings_list is not UNSET:
        lines += [_finding(finding) for finding in report.findings_list]
    return "\n".join([escape(line) for line in lines])


def _as_of(report: StatusReport) -> str:
    late = "; NOT IN SYNC: the time given was not enough" if report.synced is False else ""
    return f"{report.as_of or 'not checked yet'}{'' if report.complete else ', incomplete'}{late}"


def _degraded(report: StatusReport) -> str:
    reason = report.watch.degraded
    return f", {reason}" if reason and reason != report.reason else ""


def _problem(problem: ProblemJson) -> str:
    asker = f" ({problem.pass_})" if problem.pass_ else ""
    subject = f"{problem.path}{asker}: " if problem.path else ""
    return f"{subject}{problem.message}; {problem.hint}"


def _finding(finding: FindingJson) -> str:
    return f"{finding.path}:{finding.line}:{finding.column}: {finding.code} {finding.message}"


def _load(load: LoadReport) -> str:
    if load.cpu_percent is None and load.memory_percent is None and load.own_cpu_percent is None:
        return "not measured: no work"
    return (
        f"{_percent(load.cpu_percent)} CPU and {_percent(load.memory_percent)} memory used by others, "
        f"{_percent(load.own_cpu_percent)} CPU by this service"
    )


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} %"


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [
        f"{days} d" if days else "",
        f"{hours} h" if days or hours else "",
        f"{minutes} min",
        f"{seconds} s",
    ]
    return " ".join([part for part in parts if part][:3])
