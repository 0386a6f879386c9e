"""Performs heals: step after step, each to its end or its deadline, one heal at a time."""

import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.errors import JobError
from konivrer_watch.core.events import Event, HealFinished
from konivrer_watch.core.heal import Heal, StepReport, StepResult, Trouble
from konivrer_watch.report.heal import log_lines
from konivrer_watch.system.logs import Severity
from konivrer_watch.system.marks import Marks

Rejudge = Callable[[Iterable[bytes]], None]
"""Has files judged once more, soon."""

_Result = TypeVar("_Result")


class Step(msgspec.Struct, frozen=True):
    """What one subsystem looks at and mends. ``deadline`` is in seconds.

    ``run`` may raise ``OSError`` and ``JobError``, and is cancelled at its deadline: then that is what was found.
    """

    name: str
    deadline: float
    run: Callable[[], Awaitable[StepReport]]


class StuckError(JobError):
    """What an earlier heal looked at has still not answered."""


class Looks:
    """Runs what blocks in a thread, and leaves it to itself at the step's deadline.

    One that hangs on a dead disk for good takes a thread; the next heals must not take one more each.
    """

    def __init__(self) -> None:
        self._under_way = threading.Lock()

    async def run(self, look: Callable[[], _Result]) -> _Result:
        """Return what ``look`` does. Raises ``StuckError``."""
        if self._under_way.locked():
            raise StuckError(
                "what it looked at in an earlier heal has not answered to this day: a disk that is gone?"
            )
        return await anyio.to_thread.run_sync(self._run, look, abandon_on_cancel=True)

    def _run(self, look: Callable[[], _Result]) -> _Result:
        with self._under_way:
            return look()


def blocking_step(name: str, deadline: float, look: Callable[[], Iterable[Trouble]]) -> Step:
    """Return a step that is one look."""
    looks = Looks()

    async def run() -> StepReport:
        return await looks.run(lambda: StepReport(tuple(look())))

    return Step(name, deadline, run)


async def perform(steps: Sequence[Step], at: str) -> Heal:
    """Perform a heal that begins ``at``."""
    return Heal(at, tuple([await _perform(step) for step in steps]))


async def _perform(step: Step) -> StepResult:
    began = anyio.current_time()
    report: StepReport | None = None
    why = f"it took longer than {step.deadline:g} s and was left; the next heal tries again"
    try:
        with anyio.move_on_after(step.deadline):
            report = await step.run()
    except* (OSError, JobError) as errors:
        why = str(_first(errors))
    # A fault of ours in one step must not keep the others from their work, nor end the watcher.
    except* Exception as errors:
        why = f"fault of the program itself: {_first(errors)!r}"
    if report is None:
        report = StepReport((Trouble("this step did not come to its end", why=why),))
    return StepResult(step.name, report, anyio.current_time() - began)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Asked:
    """A heal that somebody waits for."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.heal: Heal | None = None


class Healer:
    """Runs until cancelled; heals when asked.

    ``record`` takes events, ``say`` what belongs into the heal's log, ``utc_now`` gives instants as they are shown.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        marks: Marks,
        record: Callable[[Event], None],
        say: Callable[[Severity, str], None],
        utc_now: Callable[[], str],
    ) -> None:
        self._steps = steps
        self._marks = marks
        self._record = record
        self._say = say
        self._utc_now = utc_now
        self._asked: _Asked | None = None
        self._wanted = anyio.Event()

    @property
    def last(self) -> HealFinished | None:
        """What came of the last heal, be it an earlier process's."""
        return self._marks.healed

    async def heal(self) -> Heal:
        """Return what came of a heal: of the one that is under way, else of a new one.

        Who asks may go away; the heal goes on.
        """
        if self._asked is None:
            self._asked = _Asked()
            self._wanted.set()
        asked = self._asked
        await asked.done.wait()
        if asked.heal is None:
            raise RuntimeError("a heal ended without a result")
        return asked.heal

    async def run(self) -> None:
        """Heal whenever that is wanted."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            heal = await self._heal()
            asked, self._asked = self._asked, None
            if asked is not None:
                asked.heal = heal
                asked.done.set()

    async def _heal(self) -> Heal:
        await anyio.to_thread.run_sync(self._marks.heal_begun)
        heal = await perform(self._steps, self._utc_now())
        finished = HealFinished(heal.at, heal.found, heal.mended)
        await anyio.to_thread.run_sync(self._marks.heal_ended, finished)
        self._record(finished)
        tell(heal, self._say)
        return heal


def tell(heal: Heal, say: Callable[[Severity, str], None]) -> None:
    """Say what came of a heal: a line for each thing that was found, or one that nothing was."""
    for is_bad, line in log_lines(heal):
        say(Severity.WARNING if is_bad else Severity.INFO, line)
