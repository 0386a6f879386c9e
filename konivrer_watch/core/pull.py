"""The pull at start: what is asked, what comes of it, and when it is not done.

A pull is a fast-forward of a clean work tree, or nothing. Every other state is a reason, in words a user can act on.
"""

import re
from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec

SAFE_PROTOCOLS = ("https", "ssh", "file")
"""What a remote may be reached by; ``http`` and ``git`` are neither encrypted nor authenticated."""

_LONGEST_COMPLAINT = 300
_LONGEST_PATH = 120
_USER_INFO = re.compile(r"(?<=://)[^/\s@]*@")
# What git says beside the cause.
_ASIDES = (
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "hint:",
    "remote: Enumerating",
    "warning:",
    "Aborting",
    "Updating ",
    "Please move or remove",
)
_NO_CAUSE = "fatal: Could not read from remote repository."
_OPERATIONS = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or 'git am'",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "sequencer": "a cherry-pick or revert of several commits",
    "BISECT_LOG": "a bisection",
}

OPERATION_MARKS = (*_OPERATIONS, "index.lock")
"""Names in a git directory that tell of something under way."""


class PullOutcome(StrEnum):
    """What came of a pull.

    In all but ``updated`` the repository is as it was, unless a fast-forward had begun and then ``failed``.
    """

    UPDATED = "updated"
    CURRENT = "current"
    SKIPPED = "skipped"
    FAILED = "failed"
    OFF = "off"


class PullResult(msgspec.Struct, frozen=True, tag="result"):
    """The one line on a pull. ``before`` and ``after`` are commits, known where HEAD was read; ``at`` is UTC.

    ``reason`` is one line and may quote the repository: whoever prints it escapes it.
    """

    result: PullOutcome
    reason: str
    at: str
    before: str | None = None
    after: str | None = None


class PullStep(msgspec.Struct, frozen=True, tag="step"):
    """What is being done now. ``late`` begins the sentence for the case that it does not end in time.

    ``applying`` is whether the repository is being changed, and so is not to be interrupted.
    """

    late: str
    applying: bool = False


class PullRequest(msgspec.Struct, frozen=True):
    """What the child process is to do: paths are absolute, and ``folder`` is its own to write in."""

    root: bytes
    folder: bytes
    protocols: tuple[str, ...]


class PullSkipped(Exception):
    """The repository is in a state that is its owner's to change; the message says which."""


class PullFailed(Exception):
    """The pull was due and did not work; the message says what to do."""


class Relation(msgspec.Struct, frozen=True):
    """How many commits each side has that the other lacks."""

    ahead: int
    behind: int


def under_way(names: Collection[str]) -> str | None:
    """Return what is under way in a git directory that holds these of ``OPERATION_MARKS``; ``None`` for nothing."""
    for mark, operation in _OPERATIONS.items():
        if mark in names:
            return f"{operation} is under way; it is yours to finish or abort"
    if "index.lock" in names:
        return "another git command is at work, or was killed (index.lock is there)"
    return None


def uncommitted(entries: Sequence[tuple[str, bytes]]) -> str | None:
    """Return why a tree with these entries (git-status(1)'s two letters, and a path) is not clean."""
    if not entries:
        return None
    unmerged = any("U" in letters or letters in {"AA", "DD"} for letters, _ in entries)
    count = len(entries)
    files = f"of {count:,} files, such as" if count > 1 else "of"
    kind = "unmerged entries" if unmerged else "uncommitted changes"
    return f"{kind} {files} {shown_path(entries[0][1])}"


def read_status(output: bytes) -> list[tuple[str, bytes]]:
    """Read ``git status --porcelain -z --no-renames``: the two letters and the path of each entry."""
    return [(each[:2].decode("ascii", "replace"), each[3:]) for each in output.split(b"\0") if each]


def read_relation(output: bytes) -> Relation:
    """Read ``git rev-list --left-right --count OURS...THEIRS``. Raises ``ValueError``."""
    ahead, behind = output.split()
    return Relation(int(ahead), int(behind))


def commits(count: int) -> str:
    """Return a number of commits in words."""
    return f"{count:,} commit" if count == 1 else f"{count:,} commits"


def shown_path(path: bytes) -> str:
    """Return a path as text of bounded length; what is no UTF-8 is written ``\\xNN``."""
    text = path.decode(errors="backslashreplace")
    return text if len(text) <= _LONGEST_PATH else f"{text[: _LONGEST_PATH - 1]}…"


def without_secrets(text: str) -> str:
    """Return text with the user and password of every URL in it left out."""
    return _USER_INFO.sub("", text)


def complaint(error: bytes) -> str:
    """Return what git, or a program that it ran, gives as the cause on standard error: one line of bounded length."""
    lines = [" ".join(line.split()) for line in error.decode(errors="backslashreplace").splitlines()]
    told = [line for line in lines if line and not line.startswith(_ASIDES)]
    causes = [line for line in told if line != _NO_CAUSE] or told
    text = without_secrets("; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in causes))
    return text if len(text) <= _LONGEST_COMPLAINT else f"{text[: _LONGEST_COMPLAINT - 1]}…"
