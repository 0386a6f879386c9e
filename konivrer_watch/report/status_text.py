"""The status as a person reads it: safe to print, and no line longer than 80 columns that can be broken. Pure."""

from collections.abc import Iterator
from datetime import datetime
from textwrap import wrap

from msgspec import UNSET

from konivrer_watch.core.model import LogFile
from konivrer_watch.report.instants import age, instant, parse, span
from konivrer_watch.report.json import FindingJson, ProblemJson
from konivrer_watch.report.status import (
    HealReport,
    LoadReport,
    LogReport,
    PullReport,
    StatusReport,
    WatchReport,
)
from konivrer_watch.report.text import count, escape

_PROBLEMS_SHOWN = 10
_COLUMNS = 80
_LABEL = 13

_Row = tuple[str, str]


def status_text(report: StatusReport, now: datetime) -> str:
    """Return the status in lines, how it is first and what mends it last; findings follow where they were asked for."""
    health = "" if report.state == "stopped" else ", healthy" if report.healthy else ", NOT HEALTHY"
    lines = [escape(f"{report.root}: {report.state}{health}")]
    for label, value in _rows(report, now):
        lines += _lines(label, value)
    if report.mend is not None:
        # A command is pasted: it stays in one line.
        lines.append(escape(f"  {'mend':<{_LABEL - 2}}{report.mend}"))
    if report.findings_list is not UNSET:
        lines += [escape(_finding(finding)) for finding in report.findings_list]
    return "\n".join(lines)


def _lines(label: str, value: str) -> list[str]:
    parts = wrap(escape(value), _COLUMNS - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    return [
        f"  {name:<{_LABEL - 2}}{part}"
        for name, part in zip([label, *[""] * len(parts)], parts, strict=False)
    ]


def _rows(report: StatusReport, now: datetime) -> Iterator[_Row]:
    if report.reason:
        yield "note" if report.healthy and report.state != "paused" else "why", report.reason
    if report.launcher:
        yield "ran" if report.state == "stopped" else "runs", _runs(report, now)
    if report.restarts:
        yield "restarted", _restarts(report)
    if report.as_of is not None or report.watch.source is not None:
        yield from _work(report, now)
    yield from _logs(report, now)
    for problem in report.problems[:_PROBLEMS_SHOWN]:
        yield "problem", _problem(problem)
    if len(report.problems) > _PROBLEMS_SHOWN:
        yield "", f"and {len(report.problems) - _PROBLEMS_SHOWN:,} more (--format json names all)"


def _work(report: StatusReport, now: datetime) -> Iterator[_Row]:
    """What only a service that answers can say."""
    yield "as of", _as_of(report, now)
    yield "queue", f"{report.queue.waiting:,} waiting, {report.queue.running:,} running"
    yield "findings", ", ".join([count(number, level) for level, number in report.findings.items()])
    yield "load", _load(report.load)
    yield "heal", _heal(report.heal, now)
    yield "pull", _pull(report.pull, now)
    yield "watch", _watch(report, now)
    yield "memory", f"{report.memory_mb.daemon} MB, engines {report.memory_mb.engines} MB"


def _runs(report: StatusReport, now: datetime) -> str:
    parts = [report.launcher or "unknown"]
    parts += [f"process {report.pid}, up {span(report.uptime_s)}"] if report.pid is not None else []
    parts += [f"supervisor {report.supervisor_pid}"] if report.supervisor_pid is not None else []
    parts += [f"started {instant(report.started, now)}"] if report.started else []
    return ", ".join(parts)


def _restarts(report: StatusReport) -> str:
    times = "once" if report.restarts == 1 else f"{report.restarts:,} times"
    if not report.restart_reason:
        return times
    return f"{times}; the life before ended so: {report.restart_reason}"


def _as_of(report: StatusReport, now: datetime) -> str:
    late = "; NOT IN SYNC: the time given was not enough" if report.synced is False else ""
    when = "not checked yet" if report.as_of is None else instant(report.as_of, now)
    return f"{when}{'' if report.complete else ', incomplete'}{late}"


def _load(load: LoadReport) -> str:
    waits = f"; paused for {span(load.paused_s)}" if load.paused else ""
    waits += f", mostly because of {load.cause}" if load.paused and load.cause else ""
    if load.cpu_percent is None and load.memory_percent is None and load.own_cpu_percent is None:
        return f"not measured: no work{waits}"
    return (
        f"{_percent(load.cpu_percent)} CPU and {_percent(load.memory_percent)} memory used by others (work waits "
        f"above {load.threshold} %), {_percent(load.own_cpu_percent)} CPU by this service{waits}"
    )


def _heal(heal: HealReport, now: datetime) -> str:
    following = f"; the next {instant(heal.next, now)}" if heal.next else ""
    if heal.last is None:
        return f"never{following}"
    return f"{instant(heal.last, now)}: {heal.found:,} found, {heal.mended:,} mended{following}"


def _pull(pull: PullReport, now: datetime) -> str:
    when = f" {instant(pull.at, now)}" if pull.at else ""
    return f"{pull.result}{when}" + (f": {pull.reason}" if pull.reason else "")


def _watch(report: StatusReport, now: datetime) -> str:
    watch: WatchReport = report.watch
    folders = count(watch.directories, "folder")
    parts = [
        f"{watch.source}, {folders}" + (f" of {watch.limit:,} that the system allows" if watch.limit else "")
    ]
    if watch.probed is not None:
        parts.append(f"last heard {instant(watch.probed, now)}")
    if watch.missed:
        parts.append(f"{count(watch.missed, 'change')} announced by no event")
    if watch.degraded and watch.degraded != report.reason:
        parts.append(watch.degraded)
    return "; ".join(parts)


def _logs(report: StatusReport, now: datetime) -> Iterator[_Row]:
    if not report.logs:
        if report.launcher not in (None, "terminal"):
            yield "logs", "none yet"
        return
    found: dict[str, LogReport] = {log.path.rpartition("/")[2]: log for log in report.logs}
    yield "logs", f"in {report.logs[0].path.rpartition('/')[0]}"
    for name in LogFile:
        log = found.get(name)
        said = "never written" if log is None else f"{_size(log.bytes)}, {_age(log.modified, now)}"
        yield "", f"{name}: {said}"


def _age(text: str, now: datetime) -> str:
    """The age alone: with its instant a log's line is wider than a terminal."""
    at = parse(text)
    return text if at is None else age(at, now)


def _problem(problem: ProblemJson) -> str:
    asker = f" ({problem.pass_})" if problem.pass_ else ""
    subject = f"{problem.path}{asker}: " if problem.path else ""
    return f"{subject}{problem.message}; {problem.hint}"


def _finding(finding: FindingJson) -> str:
    return f"{finding.path}:{finding.line}:{finding.column}: {finding.code} {finding.message}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} %"


def _size(size: int) -> str:
    return (
        f"{size} bytes"
        if size < 1000
        else f"{size / 1000:,.1f} kB"
        if size < 1e6
        else f"{size / 1e6:,.1f} MB"
    )
