"""One look at the paths that hints name, instead of at the whole tree. Blocking; runs in a thread."""

import os
import stat
from collections.abc import Iterable, Mapping

import msgspec

from konivrer_watch.core.hearing import DECIDES_FOR_OTHERS
from konivrer_watch.core.model import Change, Signature
from konivrer_watch.core.relevance import candidate, steers
from konivrer_watch.core.tree import diff, is_within
from konivrer_watch.system.files import signature_of
from konivrer_watch.system.scan import ScanScope, dispose, scan


class Sighting(msgspec.Struct, frozen=True):
    """What differs from the known tree.

    ``folders`` is whether a directory appeared: what was put into it meanwhile may not be announced. ``uncertain``
    is whether only a sweep can tell: an ignore file or an ignored configuration changed, or a folder cannot be read.
    """

    changes: tuple[Change, ...]
    folders: bool = False
    uncertain: bool = False


def look(scope: ScanScope, known: Mapping[bytes, Signature], hints: Iterable[bytes]) -> Sighting:
    """Compare what is at and, for folders, below the hinted paths with what is known there."""
    changes: dict[bytes, Change] = {}
    folders = False
    for path in _outermost(hints):
        name = path.rpartition(b"/")[2]
        if not path or name in DECIDES_FOR_OTHERS or (steers(name) and not dispose(scope, path).counts):
            return Sighting((), uncertain=True)
        mode = _mode(os.path.join(scope.root, path))
        if mode is not None and stat.S_ISDIR(mode):
            folders = True
            snapshot = scan(scope, path)
            if not all(skip.complete for skip in snapshot.skipped):
                # What it could not look at is a sweep's to name.
                return Sighting((), uncertain=True)
            changes |= _compare(known, snapshot.files, path)
        elif mode is None or path in known or _may_count(scope, path):
            changes |= _compare(known, _file(scope, path, mode), path)
    return Sighting(tuple(changes.values()), folders)


def _outermost(hints: Iterable[bytes]) -> list[bytes]:
    """Return the hints that lie below no other."""
    kept: list[bytes] = []
    for path in sorted(hints):
        if not kept or not is_within(path, kept[-1]):
            kept.append(path)
    return kept


def _mode(full: bytes) -> int | None:
    try:
        return os.lstat(full).st_mode
    except (OSError, ValueError):
        return None


def _may_count(scope: ScanScope, path: bytes) -> bool:
    name = path.rpartition(b"/")[2]
    return scope.wide or candidate(name) or steers(name)


def _file(scope: ScanScope, path: bytes, mode: int | None) -> dict[bytes, Signature]:
    if mode is None or not dispose(scope, path).counts:
        return {}
    try:
        status = os.stat(os.path.join(scope.root, path))
    except (OSError, ValueError):
        return {}
    return {path: signature_of(status)} if stat.S_ISREG(status.st_mode) else {}


def _compare(
    known: Mapping[bytes, Signature], found: Mapping[bytes, Signature], under: bytes
) -> dict[bytes, Change]:
    below = [under] if under in known else [path for path in known if is_within(path, under)]
    return {change.path: change for change in diff({path: known[path] for path in below}, found)}
