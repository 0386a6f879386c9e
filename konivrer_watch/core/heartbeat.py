"""Whether the watcher gets on: progress in, "tell them that we live" out.

A loop that turns proves little. What counts as progress is a job that finished, the watch probe that came back, or a
wait that was recorded with its reason; and work that is neither paused nor done for a quarter of an hour is stuck,
whatever else moves. Times are seconds of one monotonic clock.
"""

import msgspec

SLACK = 10.0
"""Seconds beyond the interval: a probe is sent each interval, and has 5 s to come back."""

PROOF_INTERVALS = 2
"""Two probes in a row may be late before nobody can say any more that changes are noticed."""

STUCK_AFTER = 900.0
"""Longer than any engine's deadlines together take for one batch, and than a pause lets no job through."""


class Progress(msgspec.Struct, frozen=True):
    """When something last moved, and when there last was no work that should have moved."""

    moved: float
    unburdened: float


def moved(progress: Progress, now: float) -> Progress:
    """The probe was seen, or a wait was recorded."""
    return msgspec.structs.replace(progress, moved=max(progress.moved, now))


def worked(progress: Progress, now: float) -> Progress:
    """A job finished."""
    return Progress(max(progress.moved, now), max(progress.unburdened, now))


def unburdened(progress: Progress, now: float) -> Progress:
    """There is no work, or it waits with a reason. That alone is no progress."""
    return msgspec.structs.replace(progress, unburdened=max(progress.unburdened, now))


def stall(progress: Progress, now: float, interval: float) -> str | None:
    """Return why the watcher cannot be said to live, in words; ``None`` while it can."""
    if now - progress.unburdened > STUCK_AFTER:
        return f"stuck: there is work, and none was finished for {STUCK_AFTER / 60:.0f} minutes"
    if now - progress.moved > interval + SLACK:
        return f"stuck: nothing was heard, done or waited for within {interval + SLACK:.0f} s"
    return None
