"""What a heal finds and what came of it, and the decisions of its steps. Pure."""

import re
from enum import StrEnum

import msgspec

from konivrer_watch.core.schedule import Instant

OLD = 3600.0
"""Seconds after which something of ours that nobody uses is left over."""

_SAMPLE_SHARE = 100
_SAMPLE_LEAST, _SAMPLE_MOST = 20, 200
_DISK_SHARE, _DISK_BYTES = 0.05, 1 << 30
_WATCHES_SHARE = 0.9
# An engine worker has some 60 MB once it has judged something.
_WORKER_BYTES = 96 << 20
_CLOCK_SECONDS = 30.0
_ASIDE_SECONDS = 7 * 86_400.0


class Trouble(msgspec.Struct, frozen=True):
    """One thing that was wrong: either how it was mended, or why it could not be and what to do."""

    what: str
    mended: str | None = None
    why: str | None = None


class StepReport(msgspec.Struct, frozen=True):
    """What a step found; nothing where all is well."""

    troubles: tuple[Trouble, ...] = ()


class StepResult(msgspec.Struct, frozen=True):
    """One step of a heal, and the seconds it took."""

    name: str
    report: StepReport
    seconds: float


class Heal(msgspec.Struct, frozen=True):
    """A whole heal, which began ``at`` (UTC, ISO 8601)."""

    at: str
    steps: tuple[StepResult, ...]

    @property
    def troubles(self) -> list[tuple[str, Trouble]]:
        """All that was found, with the step that found it."""
        return [(step.name, trouble) for step in self.steps for trouble in step.report.troubles]

    @property
    def found(self) -> int:
        """How much was wrong."""
        return len(self.troubles)

    @property
    def mended(self) -> int:
        """How much of it is right again."""
        return sum(1 for _, trouble in self.troubles if trouble.why is None)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(step.seconds for step in self.steps)


def sample_size(verdicts: int) -> int:
    """Return how many of so many stored verdicts to prove: one in a hundred, but 20 at least and 200 at most."""
    return min(max(verdicts // _SAMPLE_SHARE, _SAMPLE_LEAST), _SAMPLE_MOST, verdicts)


def is_nearly_full(free: int, total: int) -> bool:
    """Whether a disk has less than a twentieth and less than 1 GB left; both in bytes, or both in files."""
    return total > 0 and free < min(total * _DISK_SHARE, _DISK_BYTES)


def is_scarce(used: int, limit: int) -> bool:
    """Whether of what the system allows nine tenths are in use."""
    return used >= limit * _WATCHES_SHARE


def is_swollen(resident: int, memory_max: int) -> bool:
    """Whether an engine worker that has nothing to do holds more than an idle one, and half of what a job may take.

    A job may map a quarter of ``memory_max`` beyond the worker's start; all in bytes.
    """
    return resident > _WORKER_BYTES + memory_max // 8


def clock_jump(before: Instant, now: Instant) -> float | None:
    """Return by how many seconds the wall clock was set between two instants; ``None`` where it went on as it should.

    NTP slews half a millisecond in a second at most; what it steps by less harms nobody.
    """
    jump = (now.wall - before.wall) - (now.since_boot - before.since_boot)
    return jump if abs(jump) > _CLOCK_SECONDS else None


class Leftover(StrEnum):
    """What of ours may be left over in a root's state folder."""

    DRAFT = "draft"
    COOKIE = "cookie"
    SOCKET = "socket"
    ASIDE = "aside"


_NAMES = (
    (Leftover.DRAFT, re.compile(rb"(?:service|timers|trust)\.json\.\d+|heal-test\.\d+")),
    (Leftover.COOKIE, re.compile(rb"\.watchman-cookie-konivrer-watch")),
    (Leftover.SOCKET, re.compile(rb"control\.sock")),
    (Leftover.ASIDE, re.compile(rb"(?:state|verdicts)\.db\.aside")),
)


def leftover(name: bytes, age: float, beat: float) -> Leftover | None:
    """Return what a file of this name, last changed ``age`` seconds ago, is; ``None`` where it is none of ours, or new.

    Only names that this program makes, and only what no running one would have left alone for so long: the probe's
    file is touched each ``beat`` seconds. A store that was set aside is kept for a week, for whoever wants to know why.
    """
    for kind, pattern in _NAMES:
        if pattern.fullmatch(name):
            lives = {Leftover.ASIDE: _ASIDE_SECONDS, Leftover.COOKIE: OLD + 2 * beat}.get(kind, OLD)
            return kind if age > lives else None
    return None
