"""Heal steps about what the watcher keeps for itself: stores, logs, the disk, and what was left over."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from konivrer_watch.core.heal import Leftover, Trouble, is_nearly_full
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.daemon.healer import Step, blocking_step
from konivrer_watch.daemon.workbench import Workbench
from konivrer_watch.system.leftovers import Place, old_entries, remove_leftovers
from konivrer_watch.system.log_care import make_folder, surplus_logs, write_fault
from konivrer_watch.system.room import room_at

_CHECK_SECONDS = 40.0
_LEFT = {
    Leftover.DRAFT: "a file of a process that ended while it wrote",
    Leftover.COOKIE: "the probe's file of a watcher that is gone",
    Leftover.SOCKET: "a control socket at which nobody listens",
    Leftover.ASIDE: "a store that was set aside more than a week ago",
}


def store_step(bench: Workbench) -> Step:
    """Have SQLite check both stores, begin those anew that are corrupt or gone, and hold their size."""

    def look() -> Iterator[Trouble]:
        for store in (bench.verdicts, bench.records):
            if store is None:
                continue
            before = store.failing
            mended = store.examine(_CHECK_SECONDS)
            if store is bench.records and (mended or before):
                bench.save_anew()
            if mended is not None:
                yield Trouble(mended, mended="what it held is judged, or read, again when it is needed")
            if store.failing is not None:
                yield Trouble(store.failing, why="free the disk, or correct the rights of the state folder")
            elif before is not None and mended is None:
                yield Trouble(before, mended="it works again")
        if bench.verdicts is not None:
            bench.verdicts.prune()

    return blocking_step("store", 2 * _CHECK_SECONDS + 10, look)


def disk_step(folders: StateFolders) -> Step:
    """Say where the disk of the state is nearly full."""

    def look() -> Iterator[Trouble]:
        room = room_at(folders.shared)
        if is_nearly_full(room.free, room.total):
            left = f"{room.free >> 20:,} MB of {room.total >> 20:,} MB are free"
            yield Trouble(f"the disk of {folders.shared} is nearly full: {left}", why="make room on it")
        if is_nearly_full(room.free_files, room.total_files):
            left = f"{room.free_files:,} of {room.total_files:,} files can still be made"
            yield Trouble(f"the disk of {folders.shared} is nearly full: {left}", why="remove files from it")

    return blocking_step("disk", 10, look)


def logs_step(folder: Path, keep: int, log_fault: Callable[[], str | None]) -> Step:
    """See that logs can be written, and that there are not more old ones than wanted."""

    def look() -> Iterator[Trouble]:
        try:
            if make_folder(folder):
                yield Trouble(f"the folder of logs {folder} was missing", mended="made anew")
        except OSError as error:
            yield Trouble(
                f"the folder of logs {folder} cannot be made: {error.strerror}", why="check its rights"
            )
            return
        fault = write_fault(folder)
        if fault is not None:
            yield Trouble(
                f"nothing can be written to {folder}: {fault}", why="free the disk, or check its rights"
            )
        elif (told := log_fault()) is not None:
            yield Trouble(told, why="lines are counted until it can be written; look at that file")
        for path in surplus_logs(folder, keep):
            path.unlink(missing_ok=True)
            yield Trouble(f"{path.name} is one old log more than the {keep} to keep", mended="removed")

    return blocking_step("logs", 10, look)


def leftovers_step(
    root: bytes, folders: StateFolders, sockets: Callable[[], Sequence[Path]], beat: float
) -> Step:
    """Remove what ended processes left; ``sockets`` are the places where one of ours may lie."""
    own = folders.own
    draft, cookie = frozenset([Leftover.DRAFT]), frozenset([Leftover.COOKIE])

    def look() -> Iterator[Trouble]:
        places = [
            Place(own, draft | {Leftover.ASIDE}),
            Place(own / "logs", draft),
            Place(folders.shared, frozenset([Leftover.ASIDE])),
            Place(own / "probe", cookie),
            Place(Path(os.fsdecode(root)) / ".git", cookie),
            *(Place(folder, frozenset([Leftover.SOCKET])) for folder in {path.parent for path in sockets()}),
        ]
        for removed in remove_leftovers(places, beat):
            what = f"{removed.path} is {_LEFT[removed.kind]}"
            if removed.fault is None:
                yield Trouble(what, mended="removed")
            else:
                yield Trouble(what, why=f"it cannot be removed: {removed.fault}")
        for name in sorted(old_entries(own / "journal")):
            why = "it may be all that is left of a file of yours: look at it, then remove it"
            yield Trouble(f"{own / 'journal' / name} is a journal entry that nobody has settled", why=why)

    return blocking_step("leftovers", 15, look)
