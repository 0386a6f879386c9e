"""Known tree and scan in, changes out."""

from collections.abc import Mapping

from konivrer_watch.core.model import Change, ChangeKind, Signature


def diff(known: Mapping[bytes, Signature], found: Mapping[bytes, Signature]) -> list[Change]:
    """What must happen to ``known`` to make it ``found``, sorted by path."""
    changes = [
        Change(path, ChangeKind.MODIFIED if path in known else ChangeKind.ADDED, signature)
        for path, signature in found.items()
        if known.get(path) != signature
    ]
    changes += [Change(path, ChangeKind.REMOVED, None) for path in known.keys() - found.keys()]
    return sorted(changes, key=lambda change: change.path)


def is_within(path: bytes, under: bytes) -> bool:
    """Whether ``path`` is ``under`` or lies below it; everything is within ``b""``."""
    return not under or path == under or path.startswith(under + b"/")
