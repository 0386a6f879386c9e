"""Takes batches from the queue, asks the throttle, has them judged, and records what came of it."""

import anyio

from konivrer_watch.core.events import FilesJudged
from konivrer_watch.core.model import Hint
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.intake import Intake
from konivrer_watch.daemon.judge import Judge
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.throttle import Throttle

# Large enough for ruff's start to be small beside its work, small enough for a save not to wait long behind it.
_BATCH = 64
# With two, the engines of one batch are busy while the last file of another is.
_LANES = 2


class Runner:
    """Runs until cancelled."""

    def __init__(
        self, queue: Queue, throttle: Throttle, judge: Judge, recorder: Recorder, inbox: Inbox, intake: Intake
    ) -> None:
        self._queue = queue
        self._throttle = throttle
        self._judge = judge
        self._recorder = recorder
        self._inbox = inbox
        self._intake = intake

    async def run(self) -> None:
        """Serve the queue."""
        async with anyio.create_task_group() as group:
            for _ in range(_LANES):
                group.start_soon(self._lane)

    async def _lane(self) -> None:
        while True:
            await self._queue.wait_work()
            await self._throttle.wait_go()
            batch = self._queue.take_nowait(_BATCH)
            if batch:
                await self._serve(batch)

    async def _serve(self, batch: list[Settled]) -> None:
        judged = await self._judge.judge(batch)
        # A file that was removed while it was judged is forgotten already, and must not come back.
        outcomes = tuple([outcome for outcome in judged.outcomes if self._intake.counts(outcome.path)])
        if outcomes:
            self._recorder.record(FilesJudged(outcomes))
        if judged.context_is_old:
            self._intake.outdate()
        for entry in judged.again:
            self._intake.unsettled(entry)
        self._inbox.put_nowait([Hint(path) for path in judged.gone])
        self._queue.done([entry.path for entry in batch])
        self._intake.report_progress()
