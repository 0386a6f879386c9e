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


def splice(
    known: Mapping[bytes, Signature], found: Mapping[bytes, Signature], under: bytes
) -> dict[bytes, Signature]:
    """``known`` with all at and below ``under`` replaced by the scan ``found`` of that subtree.

    ``under`` is ``b""`` for the whole tree. Raises ``ValueError`` if ``found`` holds a path elsewhere.
    """
    stray = next((path for path in found if not is_within(path, under)), None)
    if stray is not None:
        raise ValueError(f"{stray!r} is not below {under!r}")
    kept = {path: signature for path, signature in known.items() if not is_within(path, under)}
    return kept | dict(found)


def is_within(path: bytes, under: bytes) -> bool:
    """Whether ``path`` is ``under`` or lies below it; everything is within ``b""``."""
    return not under or path == under or path.startswith(under + b"/")
