"""Removes a service's record, also that of another user's service, as that user."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def acting_as(user: str | None) -> Iterator[None]:
    """Open and remove files as ``user`` for the length of the block; ``None`` is whoever we are.

    In a folder of another user's, links may lie that are meant for root. Raises ``KeyError`` where there is no such
    user, ``OSError`` where we may not.
    """
    if user is None:
        yield
        return
    account = pwd.getpwnam(user)
    before, group, groups = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.initgroups(user, account.pw_gid)
        os.setegid(account.pw_gid)
        os.seteuid(account.pw_uid)
        yield
    finally:
        os.seteuid(before)
        os.setegid(group)
        os.setgroups(groups)


def remove_record(folder: Path) -> None:
    """Leave no record of a service in a root's state folder. Raises ``OSError``."""
    (folder / "service.json").unlink(missing_ok=True)
