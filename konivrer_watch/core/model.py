"""The values that travel through the house. Frozen, slotted, and serialisable by msgspec.

Paths are ``bytes`` relative to the root, with ``/`` between components, because a POSIX file
name need not be text.
"""

from enum import StrEnum

import msgspec


class Pass(StrEnum):
    """One of the three judgements made on a file's bytes."""

    LINT = "lint"
    OPTIMIZE = "optimize"
    SECURITY = "security"


class Launcher(StrEnum):
    """Who started the watcher, and so who keeps it alive: a person, our own supervisor, systemd, or Docker."""

    TERMINAL = "terminal"
    DIRECT = "direct"
    SYSTEMD = "systemd"
    DOCKER = "docker"


class LogFile(StrEnum):
    """The three logs of a root's background service, by file name."""

    SERVICE = "auto-service-continuous.log"
    AUTOMATION = "automation-continuous.log"
    HEAL = "auto-heal.log"


class Level(StrEnum):
    """SARIF's level of a finding, worst first."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Safety(StrEnum):
    """Who may apply a fix: us, us when asked, or only a person."""

    AUTO = "auto"
    OPT_IN = "opt-in"
    SUGGEST = "suggest"


class Edit(msgspec.Struct, frozen=True):
    """Replace a span by ``text``. Lines and columns count from 1, columns in code points."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class Fix(msgspec.Struct, frozen=True):
    """Edits that together resolve one finding."""

    safety: Safety
    message: str
    edits: tuple[Edit, ...]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one pass says of one place in one file. The file's path is kept beside it."""

    line: int
    column: int
    end_line: int
    end_column: int
    pass_: Pass = msgspec.field(name="pass")
    code: str
    name: str
    level: Level
    message: str
    url: str | None = None
    fix: Fix | None = None
    evidence: str | None = None
    severity: str | None = None
    confidence: str | None = None
    cell: int | None = None

    @property
    def order(self) -> tuple[int, int, str, str, str]:
        """Sort key inside a file: line, column, pass, code, message."""
        return (self.line, self.column, self.pass_, self.code, self.message)


class ProblemKind(StrEnum):
    """Why a pass has no answer for a file, or not the whole one.

    ``UNPARSABLE`` and ``QUARANTINED`` (an engine fails on it, dies of it or hangs) come of the bytes alone; the
    others may be gone at the next attempt.
    """

    UNPARSABLE = "unparsable"
    TOO_LARGE = "too-large"
    UNREADABLE = "unreadable"
    QUARANTINED = "quarantined"
    CONFIGURATION = "configuration"
    ENGINE = "engine"


class Problem(msgspec.Struct, frozen=True):
    """A question that was not answered, in words a user can act on."""

    kind: ProblemKind
    message: str
    hint: str


class Verdict(msgspec.Struct, frozen=True):
    """One pass's whole answer on one file. ``problem`` set means the answer is incomplete."""

    findings: tuple[Finding, ...] = ()
    suppressed: int = 0
    problem: Problem | None = None


class Signature(msgspec.Struct, frozen=True):
    """What ``stat`` says of a file; equal signatures mean equal bytes unless written just now."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int


class ChangeKind(StrEnum):
    """How a known path differs from the tree."""

    ADDED = "added"
    MODIFIED = "modified"
    REMOVED = "removed"


class Change(msgspec.Struct, frozen=True):
    """A path whose signature differs from what was known."""

    path: bytes
    kind: ChangeKind
    signature: Signature | None


class Hint(msgspec.Struct, frozen=True):
    """Something about this path (``None``: about everything) may have changed."""

    path: bytes | None


class Skip(msgspec.Struct, frozen=True):
    """A file that counts but was not looked at, and why.

    ``complete`` tells whether the verdict is whole without it: a link out of the root is never
    part of the verdict, a file too large to judge is missing from it.
    """

    path: bytes
    reason: str
    complete: bool = False


class Trigger(StrEnum):
    """Why a path is judged; the earlier member is served first."""

    SAVE = "save"
    REQUEST = "request"
    CONFIGURATION = "configuration"
    SWEEP = "sweep"
    START = "start"


class Outcome(msgspec.Struct, frozen=True):
    """What came of judging one path: every pass that applies, each verdict's key, and which had to run.

    ``latency_ms`` counts from the moment the file was written or, where that is long ago, noticed.
    """

    path: bytes
    keys: dict[Pass, bytes]
    verdicts: dict[Pass, Verdict]
    ran: frozenset[Pass]
    trigger: Trigger
    latency_ms: int


class FileRecord(msgspec.Struct, frozen=True):
    """What is remembered of a file's bytes while its signature stays the same.

    ``digest`` is the SHA-256 of the bytes, ``words`` the names the file may import, separated by spaces.
    """

    signature: Signature
    digest: bytes
    words: bytes
