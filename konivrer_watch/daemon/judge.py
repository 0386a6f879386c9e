"""From paths to outcomes: bytes read once, verdicts looked up by key, and only what is unknown sent to the engines."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.model import FileRecord, Outcome, Pass, ProblemKind, Signature, Verdict
from konivrer_watch.core.settle import Settled
from konivrer_watch.core.status import FileState
from konivrer_watch.daemon.asking import Answers, Asker
from konivrer_watch.daemon.context import Context
from konivrer_watch.daemon.contexts import Contexts
from konivrer_watch.daemon.hints import with_exclude_line
from konivrer_watch.daemon.sight import Reader, Seen, Sight, Unread
from konivrer_watch.system.store import VerdictStore
from konivrer_watch.system.workers import Workers

# Problems that are a function of the bytes alone, so that the store may remember them.
_LASTING = frozenset({ProblemKind.UNPARSABLE, ProblemKind.QUARANTINED})


class Judged(msgspec.Struct, frozen=True):
    """What came of a batch: outcomes, files to be judged once more, and files that are gone.

    ``context_is_old`` is whether some are to be judged again because a configuration or a neighbour changed
    meanwhile: without reading those anew the same would come of it.
    """

    outcomes: tuple[Outcome, ...]
    again: tuple[Settled, ...]
    gone: tuple[bytes, ...]
    context_is_old: bool = False


class Judge:
    """Judges batches of files under the current context."""

    def __init__(
        self, reader: Reader, store: VerdictStore | None, workers: Workers, contexts: Contexts
    ) -> None:
        # Two threads at it would only take turns at the interpreter, and be slower for it.
        self._looking = anyio.Lock()
        self._reader = reader
        self._store = store
        self._contexts = contexts
        self._asker = Asker(reader, workers)

    @property
    def spent(self) -> Mapping[Pass, float]:
        """Seconds of work by pass so far."""
        return self._asker.spent

    @property
    def records(self) -> Mapping[bytes, FileRecord]:
        """What is remembered of the files, by path."""
        return self._reader.records

    def distrust(self, paths: Iterable[bytes]) -> None:
        """Forget what is remembered of these files: they are read again when they are judged next."""
        for path in list(paths):
            self._reader.records.pop(path, None)

    async def judge(self, entries: Sequence[Settled]) -> Judged:
        """Judge a batch. Files that another program writes meanwhile are returned in ``again``, without a verdict."""
        context = self._contexts.current
        if context is None:
            raise RuntimeError("nothing can be judged before the configurations were read")
        async with self._looking:
            seen, known = await anyio.to_thread.run_sync(self._look, entries, context)
        unknown = {
            sight.path: tuple([pass_ for pass_, key in sight.keys.items() if key not in known])
            for sight in seen.sights
        }
        asked = [sight for sight in seen.sights if unknown[sight.path]]
        fresh = await self._asker.ask(asked, unknown, context)
        changed, moved_on = set[bytes](), set[bytes]()
        if asked:
            changed, moved_on = await anyio.to_thread.run_sync(self._keep, asked, fresh, context)
        self._reader.remember([sight for sight in seen.sights if not unknown[sight.path]], ())
        unanswered = {path for path, verdicts in fresh.items() if len(verdicts) < len(unknown[path])}
        outdated = await self._outdated(seen, context)
        undone = changed | moved_on | unanswered | outdated
        now = anyio.current_time()
        outcomes = [
            _outcome(sight, known, fresh.get(sight.path, {}), now)
            for sight in seen.sights
            if sight.path not in undone
        ]
        outcomes += [_unread_outcome(each, context, now) for each in seen.unread if each.path not in outdated]
        again = seen.again + [sight.entry for sight in seen.sights if sight.path in undone]
        again += [each.entry for each in seen.unread if each.path in outdated]
        return Judged(tuple(outcomes), tuple(again), tuple(seen.gone), bool(moved_on))

    async def _outdated(self, seen: Seen, context: Context) -> set[bytes]:
        """Return the files of which another context than this one holds by now, and says otherwise.

        Nobody waits between this and the record of the outcomes, or a verdict from an old configuration would land
        after all of the new.
        """
        compared, outdated = context, set[bytes]()
        while (current := self._contexts.current) is not None and current is not compared:
            compared = current
            outdated = await anyio.to_thread.run_sync(_differing, seen, context, current)
        return outdated

    def stale(self, files: Mapping[bytes, Signature], known: Mapping[bytes, FileState]) -> list[bytes]:
        """Return the files whose verdicts in ``known`` do not hold under the current context. Blocking."""
        context = self._contexts.current
        if context is None:
            return []
        return [
            path
            for path, signature in files.items()
            if not self._holds(context, path, signature, known.get(path))
        ]

    def _holds(self, context: Context, path: bytes, signature: Signature, known: FileState | None) -> bool:
        passes = context.passes_for(path)
        if known is None or not passes:
            return known is None and not passes
        if not all(_is_lasting(verdict) for verdict in known.verdicts.values()):
            return False
        record = self.records.get(path)
        return (
            record is not None and record.signature == signature and context.keys(path, record) == known.keys
        )

    def forget(self, files: Collection[bytes]) -> None:
        """Drop the records of all other files than these."""
        self.distrust(self._reader.records.keys() - files)

    def _look(self, entries: Sequence[Settled], context: Context) -> tuple[Seen, dict[bytes, Verdict]]:
        seen = self._reader.look(entries, context)
        if self._store is None:
            return seen, {}
        return seen, self._store.get([key for sight in seen.sights for key in sight.keys.values()])

    def _keep(
        self, sights: Sequence[Sight], fresh: Answers, context: Context
    ) -> tuple[set[bytes], set[bytes]]:
        """Store what is certainly true of the bytes that were hashed, and remember files that are as they were.

        Return the files that changed while they were judged, and those around which something did.
        """
        looked = [self._reader.look_again(sight) for sight in sights]
        same = [sight for sight in looked if sight is not None]
        changed = {sight.path for sight in sights} - {sight.path for sight in same}
        linted = [(each.path, each.record) for each in same if Pass.LINT in fresh[each.path]]
        moved_on = context.moved_on(linted)
        self._reader.remember(sights, {sight.path for sight in sights})
        self._reader.remember(same, ())
        lasting = {
            sight.keys[pass_]: verdict
            for sight in sights
            for pass_, verdict in fresh[sight.path].items()
            if _is_lasting(verdict) and (pass_ is not Pass.LINT or sight.path not in changed | moved_on)
        }
        if self._store is not None and lasting:
            self._store.put(lasting)
        return changed, moved_on


def _differing(seen: Seen, before: Context, now: Context) -> set[bytes]:
    judged = {each.path for each in seen.sights if now.keys(each.path, each.record) != each.keys}
    return judged | {
        each.path for each in seen.unread if now.passes_for(each.path) != before.passes_for(each.path)
    }


def _is_lasting(verdict: Verdict) -> bool:
    return verdict.problem is None or verdict.problem.kind in _LASTING


def _outcome(
    sight: Sight, known: Mapping[bytes, Verdict], fresh: Mapping[Pass, Verdict], now: float
) -> Outcome:
    verdicts = {pass_: fresh[pass_] if pass_ in fresh else known[key] for pass_, key in sight.keys.items()}
    told = {pass_: with_exclude_line(sight.path, verdict) for pass_, verdict in verdicts.items()}
    latency = round(1000 * (now - sight.entry.noticed))
    return Outcome(sight.path, sight.keys, told, frozenset(fresh), sight.entry.trigger, latency)


def _unread_outcome(unread: Unread, context: Context, now: float) -> Outcome:
    entry = unread.entry
    verdict = with_exclude_line(entry.path, Verdict(problem=unread.problem))
    verdicts = dict.fromkeys(context.passes_for(entry.path), verdict)
    latency = round(1000 * (now - entry.noticed))
    return Outcome(entry.path, {}, verdicts, frozenset(), entry.trigger, latency)
