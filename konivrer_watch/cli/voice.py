"""What the watcher says while it runs: events in, lines out, and never waiting for who reads them."""

import os
import queue
import signal
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from konivrer_watch import __version__
from konivrer_watch.core.model import Pass, Trigger
from konivrer_watch.core.status import (
    ChangesSeen,
    Event,
    Fault,
    FilesJudged,
    FilesRemoved,
    QueueDrained,
    State,
    Status,
    StoresChecked,
)
from konivrer_watch.daemon.describe import told_once
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.report.events import (
    ChangeLine,
    StateLine,
    VerdictLine,
    event_json,
    event_text,
    verdicts_text,
)
from konivrer_watch.report.text import count, duration, escape, path_text, problem_lines

# Lines that wait for a reader; one that has stopped reading must not stop the watch.
_BACKLOG = 10_000
_LAST_WORDS_SECONDS = 0.5
_PROBLEMS_SHOWN = 10


class Voice:
    """Turns events into lines on the file descriptor ``sink``. A thread of its own writes them.

    ``fault`` is why nothing more can be written, where that is so.
    """

    def __init__(self, sink: int, *, as_json: bool, color: bool) -> None:
        self.fault: OSError | None = None
        self._sink = sink
        self._as_json = as_json
        self._color = color
        self._zone = datetime.now().astimezone().tzinfo or UTC
        self._lines: queue.Queue[bytes | None] = queue.Queue(_BACKLOG)
        self._lost = 0
        self._state: State | None = None
        self._faults: frozenset[Fault] = frozenset()
        self._greeting = ""
        self._begun = datetime.now(UTC)
        self._first_check_done = False
        self._root = b""
        self._thread = threading.Thread(target=self._write, daemon=True, name="voice")

    def __enter__(self) -> "Voice":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(_LAST_WORDS_SECONDS)

    def begin(self, root: Path) -> None:
        """Say with the next event, when the folder is known to be ours to watch, what is watched."""
        self._begun = datetime.now(UTC)
        self._root = bytes(root)
        self._state = None
        self._first_check_done = False
        if not self._as_json:
            shown = escape(path_text(bytes(root)))
            self._greeting = f"konivrer-watch {__version__}: {shown}; Ctrl-C ends it"

    def hear(self, event: Event, judgements: tuple[Judgement, ...], status: Status) -> None:
        """Say what is worth saying of an event."""
        at = _now()
        if self._greeting:
            self._say(self._greeting)
            self._greeting = ""
        if self._as_json:
            self._hear_as_json(event, judgements, at)
        elif self._first_check_done and isinstance(event, FilesJudged | FilesRemoved):
            told = [_verdict(each, at) for each in judgements if _is_news(each)]
            if told:
                self._say(verdicts_text(told, color=self._color, zone=self._zone))
        self._tell_state(status, at)
        self._tell_faults(status, at)
        if isinstance(event, StoresChecked):
            for fault in event.faults:
                self._tell(StateLine(at, status.state, fault))
        if isinstance(event, QueueDrained) and not self._first_check_done:
            self._first_check_done = True
            if not self._as_json:
                self._say(self._summary(status, at))

    def _hear_as_json(self, event: Event, judgements: tuple[Judgement, ...], at: str) -> None:
        if isinstance(event, ChangesSeen) and self._first_check_done:
            for change in event.changes:
                self._put(event_json(ChangeLine(at, change.path, change.kind)))
        for judgement in judgements:
            self._put(event_json(_verdict(judgement, at)))

    def _tell_state(self, status: Status, at: str) -> None:
        state = status.state
        if state is self._state:
            return
        ordinary = {None, State.STARTING, State.CHECKING, State.WATCHING}
        reason = status.paused.reason if status.paused is not None else status.degraded
        line = StateLine(at, state, reason)
        if self._as_json or state not in ordinary or self._state not in ordinary:
            self._tell(line)
        self._state = state

    def _tell(self, line: StateLine) -> None:
        if self._as_json:
            self._put(event_json(line))
        else:
            self._say(event_text(line, color=self._color, zone=self._zone))

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
                lines = problem_lines([fault.path], fault.pass_, fault.problem, color=self._color)
                self._say("\n".join(lines))
        if not faults:
            line = StateLine(at, status.state, "the configurations are valid again")
            self._tell(line)

    def _summary(self, status: Status, at: str) -> str:
        took = duration(round((datetime.now(UTC) - self._begun).total_seconds() * 1000))
        levels = ", ".join([count(number, level) for level, number in status.count().items()])
        lines = [f"checked {count(len(status.files), 'file')} in {took}: {levels}; watching"]
        problems = told_once(self._root, status.problems)
        for path, pass_, problem in problems[:_PROBLEMS_SHOWN]:
            lines += problem_lines([path], pass_, problem, color=self._color)
        if len(problems) > _PROBLEMS_SHOWN:
            lines.append(f"and {count(len(problems) - _PROBLEMS_SHOWN, 'more problem')}")
        lines += [f"skipped {escape(path_text(skip.path))}: {escape(skip.reason)}" for skip in status.skipped]
        return "\n".join(lines)

    def _say(self, text: str) -> None:
        self._put(text.encode("utf-8", "backslashreplace"))

    def _put(self, line: bytes) -> None:
        try:
            if self._lost:
                self._lines.put_nowait(self._lost_line())
                self._lost = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def _lost_line(self) -> bytes:
        note = f"{count(self._lost, 'line')} lost: nobody read them in time"
        if self._as_json:
            return event_json(StateLine(_now(), self._state or State.STARTING, note))
        return f"({note})".encode()

    def _write(self) -> None:
        # Unbuffered: a buffer whose reader has stopped would hold up the end of the process.
        try:
            while (line := self._lines.get()) is not None:
                left = memoryview(line + b"\n")
                while left:
                    left = left[os.write(self._sink, left) :]
        except OSError as error:
            # There is nobody left to watch for.
            self.fault = error
            os.kill(os.getpid(), signal.SIGTERM)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_news(judgement: Judgement) -> bool:
    """Whether a person wants to hear of it: what they saved, always; of all else, what differs."""
    saved = judgement.outcome is not None and judgement.outcome.trigger is Trigger.SAVE
    return saved or bool(judgement.news.appeared or judgement.news.gone)


def _verdict(judgement: Judgement, at: str) -> VerdictLine:
    outcome = judgement.outcome
    if outcome is None:
        gone = judgement.news.gone
        return VerdictLine(at, judgement.path, (), True, (), (), gone, "removed", 0)
    verdicts = outcome.verdicts
    problems = [(pass_, verdict.problem) for pass_, verdict in verdicts.items() if verdict.problem]
    return VerdictLine(
        at=at,
        path=judgement.path,
        passes=tuple([pass_ for pass_ in Pass if pass_ in verdicts]),
        complete=not problems,
        findings=[finding for verdict in verdicts.values() for finding in verdict.findings],
        appeared=judgement.news.appeared,
        gone=judgement.news.gone,
        trigger=outcome.trigger,
        latency_ms=outcome.latency_ms,
        problems=problems,
    )
