"""The pull at start: once in a process, beside the first check and never before the first look at the tree."""

from collections.abc import Mapping
from pathlib import Path

import anyio

from konivrer_watch.core.events import PullFinished
from konivrer_watch.core.pull import PullOutcome, PullResult
from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.system.pull import pull, remove_leftovers
from konivrer_watch.system.record import now_text


class StartupPull:
    """Pulls the repository at ``root`` once, however often the watch begins anew. ``folder`` is the pull's own.

    It does not where the settings say so (``wanted``), nor where ``record`` tells of a restart: that is no start.
    What a killed pull left goes in either case.
    """

    def __init__(
        self,
        root: bytes,
        folder: Path,
        environment: Mapping[str, str],
        record: ServiceRecord,
        *,
        wanted: bool,
    ) -> None:
        self._root = root
        self._folder = folder
        self._environment = environment
        self._result = _reason_not_to(record, wanted=wanted)

    async def run(self, recorder: Recorder, looked: anyio.Event) -> None:
        """Pull once ``looked`` is set, and record what came of it; what came of it before is recorded again."""
        if self._result is None:
            await looked.wait()
            self._result = await pull(self._root, self._folder, self._environment)
        else:
            await remove_leftovers(self._folder)
        recorder.record(PullFinished(self._result))


def _reason_not_to(record: ServiceRecord, *, wanted: bool) -> PullResult | None:
    if not wanted:
        return PullResult(PullOutcome.OFF, "by the settings (pull = false)", now_text())
    if record.restarts:
        reason = "this is a restart after a crash; only a start pulls"
        return PullResult(PullOutcome.SKIPPED, reason, now_text())
    return None
