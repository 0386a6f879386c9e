"""What the watcher says while it runs: events in, lines out, and never waiting for who reads them."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import TracebackType

from konivrer_watch import __version__
from konivrer_watch.cli.notices import Notice, notices
from konivrer_watch.cli.occasion import Occasion
from konivrer_watch.cli.progress import ProgressBar
from konivrer_watch.cli.sink import Sink
from konivrer_watch.cli.verdicts import troubles_of, verdict_line
from konivrer_watch.core.events import (
    ChangesSeen,
    Event,
    Fault,
    FilesJudged,
    QueueDrained,
    SweepFinished,
)
from konivrer_watch.core.model import Skip
from konivrer_watch.core.status import State, Status
from konivrer_watch.daemon.describe import told_once
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.report.batch import occasion_text, verdicts_text
from konivrer_watch.report.events import (
    ChangeLine,
    StateLine,
    VerdictLine,
    clock_text,
    event_json,
    event_text,
)
from konivrer_watch.report.summary import skip_lines, summary_text
from konivrer_watch.report.text import count, escape, path_text, problem_lines
from konivrer_watch.system.logs import Severity

_INFO, _WARNING = Severity.INFO, Severity.WARNING
_SEVERITY = {State.PAUSED: _WARNING, State.DEGRADED: _WARNING, State.FAILED: Severity.ERROR}
# A first check of fewer files is over before anybody wonders.
_WORTH_ANNOUNCING = 200


class Voice:
    """Turns events into lines for ``sink``, and the first check into a progress bar if wanted.

    Times are shown as ``zone``'s clock has them; ``None`` is for a log, which has a clock of its own and is searched
    line by line. ``see_all`` is the command that lists every finding.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        as_json: bool,
        color: bool,
        zone: tzinfo | None,
        bar: bool = False,
        see_all: str = "konivrer-watch status --findings",
    ) -> None:
        self._sink = sink
        self._as_json = as_json
        self._color = color
        self._with_bar = bar
        self._see_all = see_all
        self._zone = zone
        self._state: State | None = None
        self._faults: frozenset[Fault] = frozenset()
        self._greeting = ""
        self._root = b""
        self._restart()

    @property
    def fault(self) -> OSError | None:
        """Why nothing more can be written, where that is so."""
        return self._sink.fault

    def __enter__(self) -> "Voice":
        self._sink.start(self._lost_text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.clear()
        self._sink.stop()

    def begin(self, root: Path, why: str = "") -> None:
        """Say with the next event, when the folder is known to be ours to watch, what is watched, and why anew."""
        self._root = bytes(root)
        self._bar.clear()
        self._restart()
        reason = f"{why}; it begins anew: " if why else ""
        if self._as_json:
            self._greeting = why
        else:
            way_out = "" if self._zone is None else "; Ctrl-C ends it"
            name = escape(path_text(self._root))
            self._greeting = f"konivrer-watch {__version__}: {reason}{name}{way_out}"

    def hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        """Say what is worth saying of an event."""
        at = _now()
        self._greet(status, at)
        if self._as_json:
            self._hear_as_json(event, judgements, status, at)
        elif self._first_check_done:
            self._hear_later(event, judgements, status, at)
        else:
            self._hear_first(event)
        self._tell_state(status, at)
        self._tell_faults(status, at)
        for line, severity in notices(event, status.state, at, for_program=self._as_json):
            self._tell(line, severity)
        if isinstance(event, QueueDrained) and not self._first_check_done:
            self._end_first_check(status)

    def _restart(self) -> None:
        self._begun = time.monotonic()
        self._state = None
        self._first_check_done = False
        self._occasion = Occasion()
        self._skips: frozenset[Skip] = frozenset()
        self._done = self._total = 0
        self._bar = ProgressBar(shown=self._with_bar, draw=self._sink.draw_nowait)

    def _greet(self, status: Status, at: str) -> None:
        greeting, self._greeting = self._greeting, ""
        if greeting and self._as_json:
            self._tell(StateLine(at, status.state, greeting))
        elif greeting:
            self._say(greeting)

    def _hear_first(self, event: Event) -> None:
        if isinstance(event, ChangesSeen):
            self._total += len(event.changes)
            if len(event.changes) > _WORTH_ANNOUNCING:
                self._say(f"checking {count(len(event.changes), 'file')} …")
        elif isinstance(event, FilesJudged):
            self._done = min(self._done + len(event.outcomes), self._total)
            self._bar.update(self._done, self._total)

    def _end_first_check(self, status: Status) -> None:
        self._first_check_done = True
        self._skips = frozenset(status.skipped)
        self._occasion.know(status.problems)
        if self._as_json:
            return
        took = round((time.monotonic() - self._begun) * 1000)
        troubles = told_once(self._root, status.problems)
        severity = _INFO if status.complete else _WARNING
        self._say(summary_text(status, troubles, took, self._see_all, color=self._color), severity)

    def _hear_later(self, event: Event, judgements: Sequence[Judgement], status: Status, at: str) -> None:
        now = time.monotonic()
        if isinstance(event, ChangesSeen):
            self._occasion.note_changes(event.changes, now)
        if isinstance(event, SweepFinished):
            self._tell_skips(status, at)
        near = self._occasion.sort(judgements, now)
        if near:
            verdicts = [verdict_line(each, at, status.skipped) for each in near]
            troubles = troubles_of(self._root, verdicts)
            text = verdicts_text(verdicts, troubles, color=self._color, zone=self._zone)
            self._say(text, _severity_of(verdicts))
        if isinstance(event, QueueDrained) or self._occasion.is_over(now):
            why, collected = self._occasion.take()
            if collected:
                verdicts = [verdict_line(each, at, status.skipped) for each in collected]
                troubles = troubles_of(self._root, verdicts)
                text = occasion_text(why, verdicts, troubles, color=self._color, zone=self._zone)
                self._say(text, _severity_of(verdicts))

    def _hear_as_json(self, event: Event, judgements: Sequence[Judgement], status: Status, at: str) -> None:
        if isinstance(event, ChangesSeen) and self._first_check_done:
            for change in event.changes:
                self._put(event_json(ChangeLine(at, change.path, change.kind)))
        if isinstance(event, SweepFinished) and self._first_check_done:
            self._tell_skips(status, at)
        for judgement in judgements:
            self._put(event_json(verdict_line(judgement, at, status.skipped)))

    def _tell_skips(self, status: Status, at: str) -> None:
        """Say what cannot be looked at any more."""
        skips = frozenset(status.skipped)
        severity = _INFO if all(skip.complete for skip in skips - self._skips) else _WARNING
        for line in skip_lines(skips - self._skips):
            if self._as_json:
                self._put(event_json(StateLine(at, status.state, line)))
            else:
                self._say(clock_text(at, self._zone) + line, severity)
        self._skips = skips

    def _tell_state(self, status: Status, at: str) -> None:
        state = status.state
        if state is self._state:
            return
        ordinary = {None, State.STARTING, State.CHECKING, State.WATCHING}
        waiting = status.paused.reason if status.paused is not None else status.degraded
        if self._as_json or state not in ordinary or self._state not in ordinary:
            self._tell(StateLine(at, state, status.stalled or waiting), _SEVERITY.get(state, _INFO))
        self._state = state

    def _tell(self, line: Notice, severity: Severity = _INFO) -> None:
        if self._as_json:
            self._put(event_json(line))
        else:
            self._say(event_text(line, color=self._color, zone=self._zone), severity)

    def _tell_faults(self, status: Status, at: str) -> None:
        """Say what became wrong with a configuration, or right again; the summary has what was wrong at first."""
        faults = frozenset(status.faults) | {fault for fault in [status.settings_fault] if fault}
        before, self._faults = self._faults, faults
        if not self._first_check_done or faults == before:
            return
        for fault in sorted(faults - before, key=lambda fault: (fault.path, fault.problem.message)):
            if self._as_json:
                self._put(event_json(StateLine(at, status.state, fault.problem.message)))
            else:
                passes = [fault.pass_] if fault.pass_ else []
                lines = problem_lines([fault.path], passes, fault.problem, color=self._color)
                self._say("\n".join(lines), _WARNING)
        if not faults:
            self._tell(StateLine(at, status.state, "the configurations are valid again"))

    def _say(self, text: str, severity: Severity = _INFO) -> None:
        self._bar.clear()
        self._sink.put_nowait(severity, text)

    def _put(self, line: bytes) -> None:
        self._sink.put_nowait(_INFO, line.decode())

    def _lost_text(self, lost: int) -> str:
        note = f"{count(lost, 'line')} lost: nobody read them in time"
        if self._as_json:
            return event_json(StateLine(_now(), self._state or State.STARTING, note)).decode()
        return f"({note})"


def _severity_of(verdicts: Sequence[VerdictLine]) -> Severity:
    return _INFO if all(verdict.complete for verdict in verdicts) else _WARNING


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
