"""The heal step about the bytes that verdicts were given for: they are those on disk."""

import functools
import random
import time
from collections.abc import Sequence

import anyio

from konivrer_watch.core.heal import StepReport, Trouble
from konivrer_watch.core.model import FileRecord
from konivrer_watch.daemon.healer import Looks, Rejudge, Step
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.report.text import path_text
from konivrer_watch.system.files import TooLargeError, UnstableError, read_file, stat_file

_SECONDS = 230.0
_BATCH = 64
# A hash sweep takes a tenth of a core for as long as it lasts.
_REST = 9.0
_FEW = 10
# Anything that is longer is no file that counts.
_LIMIT = 1 << 30


def tree_step(root: bytes, bench: Workbench, rejudge: Rejudge) -> Step:
    """Read every file whose bytes are known, and have those judged that hold others under the same signature."""
    looks = Looks()

    async def run() -> StepReport:
        records = list(bench.judge.records.items())
        # Where one heal is too short for all, another begins elsewhere.
        begin = random.randrange(len(records)) if records else 0
        records = records[begin:] + records[:begin]
        differing: list[tuple[bytes, FileRecord]] = []
        read = 0
        with anyio.move_on_after(_SECONDS):
            for start in range(0, len(records), _BATCH):
                some = records[start : start + _BATCH]
                look = functools.partial(_differing, root, some)
                found, cost = await looks.run(look)
                differing += found
                read += len(some)
                await anyio.sleep(cost * _REST)
        # What was judged meanwhile is known anew.
        paths = [path for path, record in differing if bench.judge.records.get(path) == record]
        bench.judge.distrust(paths)
        rejudge(paths)
        return StepReport((*_changed(paths), *_unread(read, len(records))))

    return Step("tree", _SECONDS + 10, run)


def _differing(
    root: bytes, records: Sequence[tuple[bytes, FileRecord]]
) -> tuple[list[tuple[bytes, FileRecord]], float]:
    """Return the files with the signature they are known by and other bytes, and the CPU seconds that took."""
    began = time.thread_time()
    found = [(path, record) for path, record in records if _differs(root, path, record)]
    return found, time.thread_time() - began


def _differs(root: bytes, path: bytes, record: FileRecord) -> bool:
    if stat_file(root, path) != record.signature:
        # An ordinary change, which is on its way.
        return False
    try:
        file = read_file(root, path, _LIMIT, time.time_ns())
    except (OSError, TooLargeError, UnstableError):
        return False
    return file.signature == record.signature and file.digest != record.digest


def _changed(paths: Sequence[bytes]) -> list[Trouble]:
    mended = "read and judged anew"
    if len(paths) > _FEW:
        what = (
            f"{len(paths):,} files, {path_text(paths[0])} among them, changed without a trace in their times"
        )
        return [Trouble(what, mended=mended)]
    return [
        Trouble(f"{path_text(path)} changed without a trace in its times", mended=mended) for path in paths
    ]


def _unread(read: int, files: int) -> list[Trouble]:
    if read >= files:
        return []
    why = f"that took longer than {_SECONDS:g} s; the next heal begins elsewhere"
    return [Trouble(f"only {read:,} of {files:,} files were read", why=why)]
