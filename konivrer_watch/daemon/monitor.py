"""Ends the service of a container when it hangs, so that Docker's restart policy starts it again.

One question each ``check_interval``, in a process that does nothing else: no event loop, no task, nothing that grows.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from konivrer_watch.core.errors import StopError
from konivrer_watch.core.guard import Sign, Watched, ended, must_end, next_look, seen
from konivrer_watch.core.status import State
from konivrer_watch.system.control_client import ControlAbsent, ControlRefused, ControlSilent, Status, ask
from konivrer_watch.system.leash import is_leashed, pull_leash
from konivrer_watch.system.logs import Severity

ANSWER_SECONDS = 10.0
"""How long one answer may take: a machine under full load is slow, and no reason to end anything."""

DEATH_SECONDS = 3.0
"""How long a process may take to end after SIGKILL, which waits for the disk or for a frozen container."""

_POLL_SECONDS = 0.01

Say = Callable[[Severity, str], None]
Look = Callable[[], tuple[Sign, str]]


class _Answer(msgspec.Struct, frozen=True):
    """The part of a status that matters here, so that another version's answer is one too."""

    state: str
    reason: str | None = None


def look_at(sockets: Sequence[Path], folder: Path, timeout: float = ANSWER_SECONDS) -> tuple[Sign, str]:
    """Ask the service once; return the sign and what is to be said of it."""
    try:
        answer = msgspec.json.decode(ask(sockets, Status(), timeout), type=_Answer)
    except ControlSilent:
        return Sign.SILENT, f"it gave no answer within {timeout:g} s"
    except ControlAbsent:
        starting = is_leashed(folder)
        return (Sign.STARTING if starting else Sign.ABSENT), "it lives, and makes no control socket"
    except (ControlRefused, msgspec.DecodeError):
        # Whoever says no, or speaks another version's language, does not hang.
        return Sign.ANSWERED, ""
    if answer.state == State.FAILED:
        return Sign.FAILED, f"its state is failed: {answer.reason}"
    return Sign.ANSWERED, ""


class Monitor:
    """Guards the service whose leash lies in ``folder``. ``look`` asks it; ``interval`` is in seconds."""

    def __init__(
        self, folder: Path, look: Look, say: Say, interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._look = look
        self._say = say
        self._interval = interval
        self._clock = clock
        self._watched = Watched()
        self._fault: str | None = None

    def turn(self) -> float:
        """Look once and do what that asks for; return the seconds until the next turn."""
        before = self._watched
        try:
            sign, words = self._look()
            now = self._clock()
            self._watched = seen(before, sign, now)
            if before.awaited is not None and self._watched.awaited is None:
                self._say(Severity.INFO, f"monitor: the service is back after {now - before.awaited:.0f} s")
            if must_end(self._watched, now):
                self._end(words, now)
        except StopError as error:
            self._complain(str(error))
        return next_look(self._watched, self._interval)

    def _end(self, words: str, now: float) -> None:
        if not pull_leash(self._folder):
            self._complain(f"the service hangs ({words}), and was not started by Docker: end it by hand")
        elif not _wait_unleashed(self._folder):
            self._complain(
                f"the service hangs ({words}), and is there after SIGKILL: is its container paused?"
            )
        else:
            self._watched = ended(now)
            self._fault = None
            self._say(Severity.ERROR, f"monitor: the service hung and was killed: {words}")
            return
        # It is asked again at the usual pace, and not each second.
        self._watched = Watched()

    def _complain(self, fault: str) -> None:
        if fault != self._fault:
            self._say(Severity.ERROR, f"monitor: {fault}")
        self._fault = fault


def _wait_unleashed(folder: Path) -> bool:
    """Return whether the one that had the leash ends; the next life takes longer to begin than to look once more."""
    deadline = time.monotonic() + DEATH_SECONDS
    while is_leashed(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
