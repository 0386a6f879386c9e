"""The program, killed from within by SIGKILL in the middle of a step of its second heal.

``python -m tests.whole.heal_victim STEP PLACE FILE ARGUMENTS…``: where the step gets to the line of ours that is the
PLACE-th since it began; PLACE 0 counts the lines of each step of the second heal into FILE instead.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

import konivrer_watch
from konivrer_watch.cli import main
from konivrer_watch.core.heal import StepResult
from konivrer_watch.daemon import healer
from konivrer_watch.daemon.healer import Step
from konivrer_watch.system import files

OURS = str(Path(konivrer_watch.__file__).parent)


class Executioner:
    """Follows every line of the program in every thread, from the moment when the step begins."""

    def __init__(self, step: str, place: int, file: Path) -> None:
        self._step = step
        self._place = place
        self._file = file
        self._heals = 0
        self._lines: dict[str, int] = {}
        self._current: str | None = None
        self._perform = healer._perform

    async def perform(self, step: Step) -> StepResult:
        """Stand in for what performs a step."""
        self._heals += step.name == "clock"
        if self._heals == 2 and (not self._place or step.name == self._step):
            self._current = step.name
            self._lines[step.name] = 0
        try:
            return await self._perform(step)
        finally:
            self._current = None
            self._file.write_bytes(msgspec.json.encode(self._lines))

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Be the trace function of a thread (sys.settrace)."""
        if self._current is None or not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            self._lines[self._current] += 1
            if self._lines[self._current] == self._place:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


if __name__ == "__main__":
    executioner = Executioner(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    # What was written within two seconds is read again and again, and its verdicts are not proven: so it is old.
    files._RACY_NS = 1_000_000
    healer._perform = executioner.perform
    threading.settrace(executioner.trace)
    sys.settrace(executioner.trace)
    sys.argv[1:] = sys.argv[4:]
    main.run()
