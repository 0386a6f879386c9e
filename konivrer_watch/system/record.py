"""The record of a root's background service on disk: written whole or not at all, and readable by its owner alone."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.system.files import read_optional, replace_private

_NAME = "service.json"


def read_record(folder: Path) -> ServiceRecord | None:
    """Return the record in a root's state folder; ``None`` where there is none that this version can read."""
    data = read_optional(bytes(folder / _NAME))
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=ServiceRecord)
    except (msgspec.MsgspecError, RecursionError):
        return None


def write_record(folder: Path, record: ServiceRecord) -> None:
    """Replace the record. Raises ``OSError`` where it cannot be written; the one from before is then still there."""
    replace_private(folder / _NAME, msgspec.json.encode(record))


def boot_id() -> str:
    """Return what is the same until the machine boots again; empty where the platform does not say.

    Linux: ``/proc/sys/kernel/random/boot_id`` (random(4)).
    """
    if sys.platform != "linux":
        return ""
    return (read_optional(b"/proc/sys/kernel/random/boot_id", 64) or b"").decode().strip()


def now_text() -> str:
    """Return the present instant as a record has it: UTC, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
