"""Everything that judging one root takes, opened and closed together: stores, engines, contexts, judge."""

import functools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

import anyio.to_thread

from konivrer_watch.core.model import FileRecord
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.contexts import Contexts, Packs, Place, read_engines
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.judge import Judge
from konivrer_watch.daemon.sight import Reader
from konivrer_watch.passes.lint.reading import read_report
from konivrer_watch.system.cgroups import Cgroups
from konivrer_watch.system.ruff import Ruff
from konivrer_watch.system.store import RecordStore, VerdictStore
from konivrer_watch.system.workers import Workers, open_workers

_WORKER = "konivrer_watch.daemon.worker"
# Three times what a job may take of the processor: who is silent longer had no time to work in.
_WORKER_DEADLINE_SECONDS = 60.0
_LINT_DEADLINE_SECONDS = 60.0


class Memory(StrEnum):
    """Whether verdicts of earlier runs count."""

    KEPT = "kept"
    NONE = "none"


class Workbench:
    """The open parts. ``records`` and ``verdicts`` are ``None`` where nothing is remembered."""

    def __init__(
        self,
        contexts: Contexts,
        judge: Judge,
        workers: Workers,
        verdicts: VerdictStore | None,
        records: RecordStore | None,
        new_reader: Callable[[], Reader],
    ) -> None:
        self.contexts = contexts
        self.judge = judge
        self.workers = workers
        self.verdicts = verdicts
        self.records = records
        self._new_reader = new_reader
        self._saved = dict(judge.records)

    @asynccontextmanager
    async def open_cold(self) -> AsyncIterator[Judge]:
        """A second judge for the length of the block, who remembers nothing and has an engine worker of its own."""
        async with open_workers(_WORKER, 1, _WORKER_DEADLINE_SECONDS) as workers:
            yield Judge(self._new_reader(), None, workers, self.contexts)

    @property
    def faults(self) -> list[str]:
        """What is wrong with the stores, in words."""
        stores = (self.verdicts, self.records)
        return [store.fault for store in stores if store is not None and store.fault is not None]

    def save(self) -> None:
        """Write what was learned of the files since the last time. Blocking."""
        if self.records is None:
            return
        now = dict(self.judge.records)
        changed = {path: record for path, record in now.items() if self._saved.get(path) != record}
        gone = [path for path in self._saved if path not in now]
        if changed or gone:
            self.records.save(changed, gone)
            self._saved = now

    def save_anew(self) -> None:
        """Write all that is known of the files: the store has lost it. Blocking."""
        self._saved = {}
        self.save()

    def close(self) -> None:
        """Save and close the stores."""
        self.save()
        if self.records is not None:
            self.records.close()
        if self.verdicts is not None:
            self.verdicts.prune()
            self.verdicts.close()


def worker_count(settings: Settings) -> int:
    """Return how many engine workers to run at most: by default one for each whole core we may use, four at most."""
    if isinstance(settings.workers, int):
        return settings.workers
    # As the load meter does, without its 12 ms of psutil.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [group.quota for group in Cgroups().cpu()]
    return max(1, int(min([4, allowed, *quotas])))


@asynccontextmanager
async def open_workbench(
    place: Place, packs: Packs, settings: Settings, folders: StateFolders, memory: Memory
) -> AsyncIterator[Workbench]:
    """Open stores and engines for the length of the block. Nothing starts before there is something to judge."""
    size = worker_count(settings)
    engines = await anyio.to_thread.run_sync(read_engines, packs, settings)
    verdicts, records, known = None, None, dict[bytes, FileRecord]()
    if memory is Memory.KEPT:
        verdicts = await anyio.to_thread.run_sync(VerdictStore, folders.shared / "verdicts.db")
        records = await anyio.to_thread.run_sync(RecordStore, folders.own / "state.db", engines.ours)
        known = await anyio.to_thread.run_sync(records.load)
    async with open_workers(_WORKER, size, _WORKER_DEADLINE_SECONDS) as workers:

        def make_ruff(binary: Path) -> Ruff:
            return Ruff(
                binary,
                read_report,
                pack=packs.lint_path,
                environment=place.environment,
                threads=size,
                deadline=_LINT_DEADLINE_SECONDS,
            )

        contexts = Contexts(place, packs, settings, engines, make_ruff)
        new_reader = functools.partial(Reader, place.root, settings.max_file_kb << 10)
        judge = Judge(new_reader(known), verdicts, workers, contexts)
        bench = Workbench(contexts, judge, workers, verdicts, records, lambda: new_reader({}))
        try:
            yield bench
        finally:
            bench.close()
