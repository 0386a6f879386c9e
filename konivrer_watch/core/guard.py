"""What the monitor saw in, whether the service has to be ended out. Times are seconds of one monotonic clock.

Docker restarts a container that ends and never one that hangs, so something has to end it. What waits, starts, checks,
is paused or degraded answers, and is left alone.
"""

from enum import StrEnum

import msgspec

ENOUGH = 2
"""So often in a row the service must be silent or failed: once may be the machine's doing."""

STARTING_LIMIT = 900.0
"""How long a service that lives may be without a control socket: longer than its longest wait after crashes (300 s)."""

CONFIRM_SECONDS = 1.0
RETURN_SECONDS = 2.0
"""Until the next look, where one look was bad, and where the service is awaited."""


class Sign(StrEnum):
    """What one question to the service came to."""

    ANSWERED = "answered"
    FAILED = "failed"
    SILENT = "silent"
    STARTING = "starting"
    ABSENT = "absent"


class Watched(msgspec.Struct, frozen=True):
    """The last sign, since when and how often in a row; ``awaited`` since the monitor ended the service."""

    sign: Sign = Sign.ABSENT
    since: float = 0.0
    times: int = 0
    awaited: float | None = None


def seen(before: Watched, sign: Sign, now: float) -> Watched:
    """A question was asked, and came to this. An answer ends the waiting for the next life."""
    again = before.times > 0 and before.sign is sign
    return Watched(
        sign,
        since=before.since if again else now,
        times=before.times + 1 if again else 1,
        awaited=None if sign in (Sign.ANSWERED, Sign.FAILED) else before.awaited,
    )


def ended(now: float) -> Watched:
    """The service was ended; the next life is awaited."""
    return Watched(since=now, awaited=now)


def must_end(watched: Watched, now: float) -> bool:
    """Whether the service hangs."""
    match watched.sign:
        case Sign.SILENT | Sign.FAILED:
            return watched.times >= ENOUGH
        case Sign.STARTING:
            return now - watched.since >= STARTING_LIMIT
        case Sign.ANSWERED | Sign.ABSENT:
            return False


def next_look(watched: Watched, interval: float) -> float:
    """Return the seconds until the next question; ``interval`` holds where nothing is the matter."""
    if watched.sign in (Sign.SILENT, Sign.FAILED):
        return min(interval, CONFIRM_SECONDS)
    return interval if watched.awaited is None else min(interval, RETURN_SECONDS)
