"""What ``status`` answers, as a value. Pure.

The service fills it; where none answers, ``report/traces`` does. ``logs`` and ``mend`` are always the asker's.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from konivrer_watch.core.model import Level
from konivrer_watch.report.json import FindingJson, ProblemJson


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
    """The source of events. ``limit`` is ``None`` where the system has none, or does not say.

    ``probed`` is when the watch probe came back last, ``missed`` how many changes no event announced, ``reason`` why
    the tree is swept where nobody chose that.
    """

    source: str | None = None
    directories: int = 0
    limit: int | None = None
    degraded: str | None = None
    probed: str | None = None
    missed: int = 0
    reason: str | None = None


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
    """The service of one root. Instants are UTC; ``synced`` is there where the caller asked to wait.

    ``restart_reason`` is what ended the life before this one, ``mend`` the command that mends what is wrong.
    """

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
    restart_reason: str | None = None
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
    mend: str | None = None
    synced: bool | UnsetType = UNSET
    findings_list: Sequence[FindingJson] | UnsetType = UNSET
