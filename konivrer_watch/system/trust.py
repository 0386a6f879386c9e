"""What the user trusts of a root, in its state folder: written whole or not at all, and by its owner alone.

Nothing inside the root says what is trusted, for then a repository could trust itself.
"""

import os
import stat
from pathlib import Path

import msgspec

from konivrer_watch.core.trust import Command, TrustRecord, agreed_at
from konivrer_watch.system.files import replace_private
from konivrer_watch.system.git import find_git

_NAME = "trust.json"
_LONGEST = 1 << 20


def is_trusted(own: Path, root: Path, command: Command) -> bool:
    """Whether a command of ``root`` may run, by what its state folder ``own`` remembers."""
    return agreed_at(read_trust(own, root), bytes(root), command) is not None


def is_inside(own: Path, root: Path) -> bool:
    """Whether a state folder lies in the root or its work tree, whose files anyone who commits to it can write."""
    # Not `Path.resolve`, which raises where links go round in a circle.
    real = Path(os.path.realpath(root))
    git = find_git(bytes(real))
    top = real if git is None else Path(os.fsdecode(git.top))
    return Path(os.path.realpath(own)).is_relative_to(top)


def trust_file(own: Path) -> Path:
    """Where a state folder remembers what is trusted."""
    return own / _NAME


def read_trust(own: Path, root: Path) -> TrustRecord | None:
    """Return what is remembered; ``None`` where nothing is, none can read it, or others could have written it."""
    if is_inside(own, root):
        return None
    try:
        content = _read_owned(trust_file(own))
    except OSError:
        return None
    try:
        return None if content is None else msgspec.json.decode(content, type=TrustRecord)
    except (ValueError, RecursionError):
        return None


def _read_owned(path: Path) -> bytes | None:
    """What a regular file holds that we alone can write, else ``None``. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        others = stat.S_IWGRP | stat.S_IWOTH
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & others:
            return None
        # `open` takes no folder, and would leave the descriptor of one open: so only here.
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LONGEST)
    finally:
        os.close(descriptor)


def write_trust(own: Path, record: TrustRecord) -> None:
    """Replace what is remembered. Raises ``OSError``; what was before then still holds."""
    replace_private(trust_file(own), msgspec.json.encode(record))


def forget_trust(own: Path) -> bool:
    """Trust nothing any more; return whether anything was remembered. Raises ``OSError``."""
    try:
        trust_file(own).unlink()
    except FileNotFoundError:
        return False
    return True
