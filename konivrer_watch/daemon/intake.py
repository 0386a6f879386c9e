"""From hints to work: looks at the tree, finds what differs, waits for quiet, and queues it.

No hint is believed: what counts is how the tree as it is now differs from the tree as it was known.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import anyio
import anyio.to_thread

from konivrer_watch.core.events import (
    ChangesSeen,
    ContextRead,
    FilesRemoved,
    QueueDrained,
    SweepFinished,
)
from konivrer_watch.core.model import Change, ChangeKind, Hint, Signature, Trigger
from konivrer_watch.core.relevance import steers
from konivrer_watch.core.settle import Settle, Settled
from konivrer_watch.core.tree import diff
from konivrer_watch.daemon.audit import Audit
from konivrer_watch.daemon.inbox import Inbox
from konivrer_watch.daemon.look import Sighting, look
from konivrer_watch.daemon.probe import Source
from konivrer_watch.daemon.queue import Queue
from konivrer_watch.daemon.recorder import Recorder
from konivrer_watch.daemon.sweep import DEGRADED_SECONDS, RootWatch, pause_after, sweep
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system.files import is_settled

# More paths than this at once are looked at by one sweep.
_MANY = 100
# What was put into a folder before its watch stood is found by looking once more, this much later.
_FOLLOW_UP_SECONDS = 1.0
# An age in seconds that no quiet time reaches.
_OLD = 3600.0


class Intake:
    """Owns the known tree."""

    def __init__(
        self,
        bench: Workbench,
        settle: Settle,
        inbox: Inbox,
        queue: Queue,
        recorder: Recorder,
        source: Source,
        doubt: Callable[[], None],
    ) -> None:
        """``doubt`` is called where the source missed something."""
        self._contexts = bench.contexts
        self._judge = bench.judge
        self._settle = settle
        self._inbox = inbox
        self._queue = queue
        self._recorder = recorder
        self._root = RootWatch(recorder, source.rebuild_nowait)
        self._audit = Audit(bench.contexts.scope().root, source, recorder, doubt)
        self._links: tuple[bytes, ...] = ()
        self._context_is_old = True
        self._racy: set[bytes] = set()
        self._steering: dict[bytes, Signature] = {}
        self._releasing = False
        self._sweep_at = 0.0
        # Sweeps by number: begun last, ended well last, and asked for.
        self._begun = 0
        self._ended = 0
        self._wanted = 0
        self._unreported = False
        self._progress = anyio.Event()
        self.files: dict[bytes, Signature] = {}
        self.directories = 0

    async def run(self) -> None:
        """Look at the whole tree, then at what hints name, until cancelled."""
        await self._sweep(Trigger.START)
        await self._release()
        while True:
            await self._wait()
            hints = self._inbox.take()
            self._audit.heard(hints)
            await self._audit.settle()
            if hints is None or len(hints) > _MANY or self.is_sweep_due:
                await self._sweep(Trigger.SWEEP)
            elif hints:
                await self._look(hints)
            await self._release()

    async def synchronize(self) -> None:
        """Return once everything written before the call has been found and judged."""
        # A sweep that is under way may have passed what was written just now; the next one has not.
        target = self._begun + 1
        self._wanted = max(self._wanted, target)
        self._context_is_old = True
        self._inbox.wake_nowait()
        while self._ended < target or not self.drained:
            await self._progress.wait()

    @property
    def _is_behind(self) -> bool:
        return self._recorder.status.as_of != self._recorder.status.swept

    @property
    def is_sweep_due(self) -> bool:
        """Whether the tree should be looked at as a whole by now."""
        return self._begun < self._wanted or anyio.current_time() >= self._sweep_at

    @property
    def drained(self) -> bool:
        """Whether everything that was found has been judged."""
        return not (len(self._settle) or self._releasing or self._context_is_old) and self._queue.idle

    def counts(self, path: bytes) -> bool:
        """Whether a path is there, as far as is known, and any pass looks at it."""
        return path in self.files and self._contexts.applies(path)

    def outdate(self) -> None:
        """Read the configurations anew before anything else is queued."""
        self._context_is_old = True
        self._inbox.wake_nowait()

    def unsettled(self, entry: Settled) -> None:
        """Judge a file later: it changed while it was judged."""
        self._settle.note(entry.path, entry.trigger, anyio.current_time(), 0.0)
        self._inbox.wake_nowait()

    def report_progress(self) -> None:
        """Record that everything that was found is judged, where it is, and wake who waits for it."""
        if not self.drained:
            self._unreported = True
        elif self._recorder.status.swept is not None and (self._unreported or self._is_behind):
            self._unreported = False
            self._recorder.record(QueueDrained())
        self._progress.set()
        self._progress = anyio.Event()

    async def _wait(self) -> None:
        """Return when there is a hint, a path is quiet, a sweep is due, or somebody asks."""
        ready = self._settle.next_ready()
        deadline = min(self._sweep_at, self._audit.next_due, self._sweep_at if ready is None else ready)
        if self.is_sweep_due:
            return
        with anyio.CancelScope(deadline=deadline):
            await self._inbox.wait()

    async def _sweep(self, trigger: Trigger) -> None:
        self._begun += 1
        at, begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), anyio.current_time()
        try:
            swept = await anyio.to_thread.run_sync(sweep, self._contexts.scope())
        except OSError as error:
            self._sweep_at = anyio.current_time() + DEGRADED_SECONDS
            self._wanted = min(self._wanted, self._begun)
            self._root.lost(error)
            return
        self._root.found(swept.root)
        snapshot = swept.snapshot
        changes = diff(self.files, snapshot.files)
        blind = (*snapshot.skipped, *self._recorder.status.skipped)
        # To the first look everything is new.
        unannounced = self._audit.swept(self.files, changes if self._ended else (), blind, begun)
        # Two writes within one tick of the file system's clock look like one: what was young is read once more.
        again = [path for path in self._racy if path in snapshot.files]
        self.files = dict(snapshot.files)
        self.directories = len(snapshot.directories)
        self._links = snapshot.links
        self._racy = {path for path, each in self.files.items() if not is_settled(each, time.time_ns())}
        self._note(changes, trigger if len(changes) > _MANY or trigger is Trigger.START else Trigger.SAVE)
        for path in again:
            self._settle.note(path, Trigger.SWEEP, anyio.current_time(), _OLD)
        if snapshot.steering != self._steering or await anyio.to_thread.run_sync(
            self._contexts.surroundings_changed
        ):
            self._context_is_old = True
        self._steering = snapshot.steering
        self._sweep_at = anyio.current_time() + pause_after(swept.cost, alone=self._audit.alone)
        self._recorder.record(SweepFinished(at, snapshot.skipped, unannounced))
        self._ended = self._begun
        self._judge.forget(self.files)

    async def _look(self, hints: frozenset[bytes]) -> None:
        try:
            sighting = await anyio.to_thread.run_sync(
                look, self._contexts.scope(), self.files, hints | frozenset(self._links)
            )
        except OSError:
            # The root itself is gone; a sweep says so and looks out for it.
            sighting = Sighting((), uncertain=True)
        if sighting.uncertain:
            await self._sweep(Trigger.SWEEP)
            return
        for change in sighting.changes:
            if change.signature is None:
                self.files.pop(change.path, None)
            else:
                self.files[change.path] = change.signature
                self._racy.add(change.path)
        self._note(sighting.changes, Trigger.SAVE)
        if await anyio.to_thread.run_sync(self._contexts.surroundings_changed):
            self._context_is_old = True
        if sighting.folders:
            self._sweep_at = min(self._sweep_at, anyio.current_time() + _FOLLOW_UP_SECONDS)

    def _note(self, changes: Sequence[Change], trigger: Trigger) -> None:
        if changes:
            self._recorder.record(ChangesSeen(tuple(changes)))
        now, wall = anyio.current_time(), time.time_ns()
        for change in changes:
            age = 0.0
            if change.signature is not None:
                age = (wall - max(change.signature.mtime_ns, change.signature.ctime_ns)) / 1e9
            self._settle.note(change.path, trigger, now, age)
            if change.kind is not ChangeKind.MODIFIED or steers(change.path.rpartition(b"/")[2]):
                self._context_is_old = True

    async def _release(self) -> None:
        """Queue what is quiet, and what a change of configuration touches; forget what is gone."""
        ready = self._settle.take(anyio.current_time())
        self._releasing = True
        if self._context_is_old and (ready or not len(self._settle)):
            self._context_is_old = False
            stale = await self._read_configurations()
            now = anyio.current_time()
            queued = {entry.path for entry in ready}
            ready += [Settled(path, Trigger.CONFIGURATION, now) for path in stale if path not in queued]
        self._queue.put_nowait([entry for entry in ready if self.counts(entry.path)])
        self._forget([entry.path for entry in ready if not self.counts(entry.path)])
        self._releasing = False
        self.report_progress()

    async def _read_configurations(self) -> list[bytes]:
        """Return the files whose verdicts may differ under the configurations as they are now."""
        scope = self._contexts.scope()
        await self._contexts.read(self.files)
        self._recorder.record(ContextRead(self._contexts.faults))
        if self._contexts.scope() != scope:
            self._inbox.put_nowait([Hint(None)])
        return await anyio.to_thread.run_sync(self._judge.stale, self.files, self._recorder.status.files)

    def _forget(self, paths: Sequence[bytes]) -> None:
        for path in paths:
            self._queue.drop(path)
        known = tuple([path for path in paths if path in self._recorder.status.files])
        if known:
            self._recorder.record(FilesRemoved(known))
