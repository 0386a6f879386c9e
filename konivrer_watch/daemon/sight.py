"""A batch of files as they are on disk: read once, with little of it in memory at a time, and looked at once more after
the engines had their turn. Blocking; runs in a thread."""

import time
from collections.abc import Collection, Sequence

import msgspec

from konivrer_watch.core.model import FileRecord, Pass, Problem, ProblemKind, Signature
from konivrer_watch.core.settle import Settled
from konivrer_watch.daemon.context import Context
from konivrer_watch.passes.lint.words import import_words, may_silence
from konivrer_watch.system.files import TooLargeError, UnstableError, read_file, stat_file

# Of a batch, so many bytes wait in memory for their turn; what is beyond is read again when it comes.
_KEPT_BYTES = 8 << 20


class Sight(msgspec.Struct, frozen=True):
    """One file as it was seen for a batch.

    ``data`` is ``None`` where reading was needless, or is to be done again. ``settled`` is whether an equal signature
    means equal bytes. ``silences`` is whether comments may silence ruff in it.
    """

    entry: Settled
    signature: Signature
    record: FileRecord
    data: bytes | None
    settled: bool
    silences: bool
    keys: dict[Pass, bytes]

    @property
    def path(self) -> bytes:
        """The file's path."""
        return self.entry.path


class Unread(msgspec.Struct, frozen=True):
    """A file that is there and cannot be read."""

    entry: Settled
    problem: Problem

    @property
    def path(self) -> bytes:
        """The file's path."""
        return self.entry.path


class Seen(msgspec.Struct, frozen=True):
    """What came of looking: files, those that cannot be read, those written just now, and those that are gone."""

    sights: list[Sight]
    unread: list[Unread]
    again: list[Settled]
    gone: list[bytes]


class Reader:
    """Reads the files of one root. ``records`` is what is remembered of them, by path."""

    def __init__(self, root: bytes, limit: int, records: dict[bytes, FileRecord]) -> None:
        self._root = root
        self._limit = limit
        self.records = records

    def look(self, entries: Sequence[Settled], context: Context) -> Seen:
        """Look at each file; one that is remembered with the signature it still has is not read."""
        seen = Seen([], [], [], [])
        kept = 0
        for entry in entries:
            signature = stat_file(self._root, entry.path)
            record = self.records.get(entry.path)
            if signature is None:
                seen.gone.append(entry.path)
            elif record is not None and record.signature == signature and signature.size <= self._limit:
                keys = context.keys(entry.path, record)
                seen.sights.append(Sight(entry, signature, record, None, True, True, keys))
            else:
                kept += self._read(entry, context, seen, _KEPT_BYTES - kept)
        return seen

    def _read(self, entry: Settled, context: Context, seen: Seen, room: int) -> int:
        """Read a file into ``seen``; return how many bytes of it are kept, which is all or, for want of room, none."""
        try:
            file = read_file(self._root, entry.path, self._limit, time.time_ns())
        except UnstableError:
            seen.again.append(entry)
        except FileNotFoundError:
            seen.gone.append(entry.path)
        except TooLargeError:
            message = f"larger than {self._limit >> 10} kB"
            problem = Problem(ProblemKind.TOO_LARGE, message, "raise max_file_kb")
            seen.unread.append(Unread(entry, problem))
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            problem = Problem(ProblemKind.UNREADABLE, message, "check its permissions, or exclude it")
            seen.unread.append(Unread(entry, problem))
        else:
            words = b" ".join(import_words(file.data, entry.path))
            record = FileRecord(file.signature, file.digest, words)
            data = file.data if len(file.data) <= room else None
            keys = context.keys(entry.path, record)
            silences = may_silence(file.data)
            seen.sights.append(Sight(entry, file.signature, record, data, file.settled, silences, keys))
            return 0 if data is None else len(data)
        return 0

    def bytes_of(self, sight: Sight) -> bytes | None:
        """Return the bytes that were seen; ``None`` where the file holds others by now."""
        if sight.data is not None:
            return sight.data
        again = self._again(sight)
        return None if again is None else again[0]

    def look_again(self, sight: Sight) -> Sight | None:
        """Return the sight, now settled if it has become so; ``None`` where the file is another by now."""
        if stat_file(self._root, sight.path) != sight.signature:
            return None
        if sight.settled:
            return sight
        again = self._again(sight)
        return None if again is None else msgspec.structs.replace(sight, settled=again[1])

    def _again(self, sight: Sight) -> tuple[bytes, bool] | None:
        try:
            file = read_file(self._root, sight.path, self._limit, time.time_ns())
        except (OSError, TooLargeError, UnstableError):
            return None
        return (file.data, file.settled) if file.digest == sight.record.digest else None

    def remember(self, sights: Sequence[Sight], changed: Collection[bytes]) -> None:
        """Keep the records of settled files; of all others nothing is known."""
        for sight in sights:
            if sight.settled and sight.path not in changed:
                self.records[sight.path] = sight.record
            else:
                self.records.pop(sight.path, None)
