"""When timed events are due next. Pure: clocks and chance are arguments.

Seconds are counted since the machine booted, time asleep included, so that neither a wall clock that is set nor a
lid that is closed moves an appointment. Only across boots the wall clock has to do.
"""

from collections.abc import Iterable

import msgspec

EARLIEST = 60.0
"""Seconds after a start, or after the machine woke, before which nothing is due."""

FIRST = 90.0
"""Seconds after the very first start at which an event is due that has never been."""

APART = 20.0
"""Seconds that appointments keep from each other."""

JITTER = 0.05
"""The part of an interval by which chance may put an event off: many watchers do not work at the same second."""

_RETRY = 0.25


class Instant(msgspec.Struct, frozen=True):
    """One moment by two clocks: seconds since 1970, and since the boot named ``boot`` (empty: not known)."""

    wall: float
    since_boot: float
    boot: str = ""


class Mark(msgspec.Struct, frozen=True):
    """The last time of an event: when it began, and whether it came to its end."""

    at: Instant
    finished: bool


class Appointment(msgspec.Struct, frozen=True):
    """When an event is due, in seconds since boot. ``base`` is the beat it keeps, ``due`` lies a little behind."""

    base: float
    due: float


def elapsed(since: Instant, now: Instant) -> float | None:
    """Return the seconds from one instant to a later one; ``None`` where the clocks do not tell."""
    is_same_boot = bool(since.boot) and since.boot == now.boot
    passed = now.since_boot - since.since_boot if is_same_boot else now.wall - since.wall
    return passed if passed >= 0 else None


def first(last: Mark | None, now: Instant, interval: float, chance: float) -> Appointment:
    """Return the first appointment after a start; ``chance`` lies between 0 and 1.

    What was due meanwhile is due soon, but not at once: programs that crash while they start must not begin with it
    each time. One that was cut short, perhaps by itself, is tried again after a quarter of its interval.
    """
    passed = None if last is None else elapsed(last.at, now)
    if last is None or passed is None:
        wait = min(FIRST, interval)
    else:
        wait = (interval if last.finished else interval * _RETRY) - passed
    # An event that is more frequent than that is due at its own pace.
    wait = min(max(wait, EARLIEST), interval)
    base = now.since_boot + wait
    return Appointment(base, base + _put_off(min(interval, FIRST), chance))


def following(last: Appointment, now: float, interval: float, chance: float) -> Appointment:
    """Return the appointment after ``last``. What was missed while the machine slept is not made up for."""
    base = last.base + interval
    if base <= now:
        base = now + interval
    return Appointment(base, base + _put_off(interval, chance))


def awoken(appointment: Appointment, now: float, interval: float) -> Appointment:
    """Return an appointment as it is kept after the machine woke: who opens the lid wants to work first."""
    return msgspec.structs.replace(appointment, due=max(appointment.due, now + min(EARLIEST, interval)))


def apart(appointment: Appointment, others: Iterable[float], room: float) -> Appointment:
    """Return the appointment, put off until it keeps ``APART``, or ``room`` where that is less, from all others."""
    gap = min(APART, room)
    due = appointment.due
    for other in sorted(others):
        if abs(due - other) < gap:
            due = other + gap
    return msgspec.structs.replace(appointment, due=due)


def _put_off(interval: float, chance: float) -> float:
    return interval * JITTER * chance
