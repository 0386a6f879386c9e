"""What happens to a watcher, as values in the past tense. ``core.status`` folds them into one status.

Instants are UTC in ISO 8601, as they are shown.
"""

import msgspec

from konivrer_watch.core.model import Change, Outcome, Pass, Problem, Skip
from konivrer_watch.core.pull import PullResult


class Fault(msgspec.Struct, frozen=True):
    """A problem that concerns a configuration file rather than a file that is judged."""

    path: bytes
    pass_: Pass | None
    problem: Problem


class ChangesSeen(msgspec.Struct, frozen=True):
    """The tree differs from what was known."""

    changes: tuple[Change, ...]


class FilesJudged(msgspec.Struct, frozen=True):
    """Verdicts came."""

    outcomes: tuple[Outcome, ...]


class FilesRemoved(msgspec.Struct, frozen=True):
    """These files are gone, or no longer count."""

    paths: tuple[bytes, ...]


class SweepFinished(msgspec.Struct, frozen=True):
    """The tree was looked at as a whole, beginning ``at``; its changes are queued.

    ``unannounced`` of them have yet to be announced by the source, which may be about to do so.
    """

    at: str
    skipped: tuple[Skip, ...]
    unannounced: int = 0


class ContextRead(msgspec.Struct, frozen=True):
    """The configurations were read; these are at fault."""

    faults: tuple[Fault, ...]


class WorkPaused(msgspec.Struct, frozen=True):
    """Work waits, for this reason, since this instant."""

    reason: str
    at: str


class WorkResumed(msgspec.Struct, frozen=True):
    """Work goes on."""


class SourceChanged(msgspec.Struct, frozen=True):
    """The source of hints lost its grip for this reason, or has it again (``None``)."""

    fault: str | None


class RootChanged(msgspec.Struct, frozen=True):
    """The root cannot be looked at for this reason, or can again (``None``)."""

    fault: str | None


class SettingsRead(msgspec.Struct, frozen=True):
    """The settings were read again; ``fault`` is what is wrong with them, and those from before stay."""

    fault: Fault | None


class StoresChecked(msgspec.Struct, frozen=True):
    """What is wrong with the stores, in words. It costs time, never completeness."""

    faults: tuple[str, ...]


class ProbeSeen(msgspec.Struct, frozen=True):
    """A file that was touched for the purpose was seen to change: what is written here is heard of."""

    at: str


class ProbeMissed(msgspec.Struct, frozen=True):
    """It was not seen in time, for all that is known because of ``reason``."""

    reason: str


class ProbeUnwritten(msgspec.Struct, frozen=True):
    """It could not be touched for this reason, so that nothing is proven: neither hearing nor deafness."""

    reason: str


class EventsMissed(msgspec.Struct, frozen=True):
    """A sweep found changes that no event announced; ``example`` is one of their paths."""

    count: int
    example: bytes

    @property
    def reason(self) -> str:
        """What this says of the source; the path's control characters are in it as they are."""
        name = self.example.decode(errors="backslashreplace")
        what = f"the change of {name}" if self.count == 1 else f"{self.count:,} changes, {name} among them,"
        return f"{what} came without an event; the watch is built anew, and the tree swept"


class LogsChecked(msgspec.Struct, frozen=True):
    """Why nothing can be written to the logs; ``None``: it can. It costs neither health nor completeness."""

    fault: str | None


class Stalled(msgspec.Struct, frozen=True):
    """The watcher does not get on, for this reason, or does again (``None``)."""

    fault: str | None


class HealFinished(msgspec.Struct, frozen=True):
    """A heal that began ``at`` found so much wrong, and mended so much of it."""

    at: str
    found: int
    mended: int


class PullFinished(msgspec.Struct, frozen=True):
    """The pull at start ended, or is not done."""

    result: PullResult


class QueueDrained(msgspec.Struct, frozen=True):
    """Everything that the last sweep found has been judged."""


Event = (
    ChangesSeen
    | FilesJudged
    | FilesRemoved
    | SweepFinished
    | ContextRead
    | SettingsRead
    | StoresChecked
    | WorkPaused
    | WorkResumed
    | SourceChanged
    | RootChanged
    | ProbeSeen
    | ProbeMissed
    | ProbeUnwritten
    | EventsMissed
    | LogsChecked
    | Stalled
    | HealFinished
    | PullFinished
    | QueueDrained
)
