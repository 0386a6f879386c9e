"""The throttle: load and history in, "go" or "wait, because" out.

This file owns every transition between running and paused. It holds no clock: ``at`` and ``now``
are monotonic seconds given by the caller, who samples each second while there is work and never
while idle. Only what *other* programs use counts; a gate on total load would stop on its own work
and oscillate (ninja #1877).

running --over the threshold for 3 s--> paused --under the resume mark for 5 s--> running
"""

import math
from enum import StrEnum

import msgspec

PAUSE_AFTER = 3.0
"""Seconds that load must stay over its threshold, in at least two samples, before work pauses."""

RESUME_AFTER = 5.0
"""Seconds that load must stay under the resume mark before work goes on."""

STALE_AFTER = 30.0
"""Samples further apart than this, in seconds, say nothing about the time between them."""

STARVATION_LIMIT = 600.0
"""Seconds after which one piece of work is let through however high the load is."""

WINDOW = 60.0
MOST_TRANSITIONS = 6
"""At most this many transitions within any ``WINDOW`` seconds, for any input."""

PRESSURE_PAUSE = 5.0
PRESSURE_RESUME = 2.5
"""Marks for memory PSI ``full avg10``: percent of time in which every task waited for memory."""


class Resource(StrEnum):
    """What other programs can use so much of that work waits."""

    CPU = "CPU"
    MEMORY = "memory"
    PRESSURE = "memory pressure"


class Load(msgspec.Struct, frozen=True):
    """What the machine is doing at ``at``, in percent. ``None`` or NaN: unknown, never a reason to wait.

    ``cpu_others_percent`` and ``own_cpu_percent`` are means since the previous sample, of the CPU
    time the host gives us; ``memory_others_percent`` is what neither we nor the page cache hold;
    ``memory_pressure`` is PSI ``full avg10``. ``cause`` names the biggest other process
    ("stress-ng, pid 123, 48 %") where the sampler was asked for it (see :func:`suspect`).
    """

    at: float
    cpu_others_percent: float | None = None
    memory_others_percent: float | None = None
    memory_pressure: float | None = None
    own_cpu_percent: float | None = None
    cause: str | None = None


class Limits(msgspec.Struct, frozen=True):
    """Percent of CPU and of memory used by others above which work pauses, and below which it resumes."""

    threshold: float = 80.0
    resume: float = 60.0


class Go(msgspec.Struct, frozen=True):
    """Work may start. ``overdue`` marks the one piece that starvation lets through during a pause."""

    overdue: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Work waits: ``reason`` is a sentence for the user, ``since`` when the pause began."""

    reason: str
    cause: str | None
    since: float


class Pause(msgspec.Struct, frozen=True):
    """A pause under way: since when, for what, how much others used, and who uses most."""

    since: float
    resource: Resource
    percent: float
    cause: str | None


class Pace(msgspec.Struct, frozen=True):
    """All that the throttle remembers. ``Pace()`` is its beginning: running, nothing known.

    ``over`` is what is over its threshold now. ``over_since`` and ``calm_since`` are the first samples
    of the present unbroken stretch over the threshold and under the resume mark.
    """

    load: Load | None = None
    over: Resource | None = None
    over_since: float | None = None
    calm_since: float | None = None
    pause: Pause | None = None
    last_start: float = -math.inf
    transitions: tuple[float, ...] = ()


def step(pace: Pace, load: Load, limits: Limits) -> Pace:
    """Fold one sample in. Samples that are not newer than the last one, or not in time at all, are void."""
    previous = pace.load.at if pace.load is not None else -math.inf
    if not math.isfinite(load.at) or load.at <= previous:
        return pace
    stale = load.at - previous > STALE_AFTER
    over = _highest(load, limits.threshold, PRESSURE_PAUSE)
    calm = _highest(load, min(limits.resume, limits.threshold), PRESSURE_RESUME) is None
    pace = msgspec.structs.replace(
        pace,
        load=load,
        over=over,
        over_since=_stretch(over is not None, None if stale else pace.over_since, load.at),
        calm_since=_stretch(calm, None if stale else pace.calm_since, load.at),
        transitions=tuple(t for t in pace.transitions if load.at - t <= WINDOW),
    )
    if pace.pause is None:
        return _pause_if_due(pace, load, over)
    return _resume_if_due(pace, pace.pause, load, over, stale)


def started(pace: Pace, now: float) -> Pace:
    """A piece of work was started at ``now``: the wait for the next overdue piece begins anew."""
    return msgspec.structs.replace(pace, last_start=max(pace.last_start, now))


def decide(pace: Pace, now: float) -> Go | Wait:
    """Whether a piece of work may start at ``now``. Tell :func:`started` when one does."""
    pause = pace.pause
    if pause is None:
        return Go()
    if now - max(pause.since, pace.last_start) >= STARVATION_LIMIT:
        return Go(overdue=True)
    return Wait(reason=_sentence(pause), cause=pause.cause, since=pause.since)


def suspect(pace: Pace) -> Resource | None:
    """What is over its threshold now: the next sample should name its biggest user.

    Naming looks at every process of the machine, so it is asked for only where it is told to someone.
    """
    return pace.over


def _pause_if_due(pace: Pace, load: Load, over: Resource | None) -> Pace:
    due = pace.over_since is not None and load.at - pace.over_since >= PAUSE_AFTER
    if over is None or not due:
        return pace
    pause = Pause(load.at, over, _percent(load, over), load.cause)
    return msgspec.structs.replace(pace, pause=pause, transitions=(*pace.transitions, load.at))


def _resume_if_due(pace: Pace, pause: Pause, load: Load, over: Resource | None, stale: bool) -> Pace:
    """Resume after a calm stretch, or when the pause rests on old news.

    Only resumes are held back by the limit on transitions, one early: then there is always room for
    the next pause, and a flapping load is met by rest rather than by work.
    """
    due = pace.calm_since is not None and load.at - pace.calm_since >= RESUME_AFTER
    if (due or (stale and over is None)) and len(pace.transitions) < MOST_TRANSITIONS - 1:
        return msgspec.structs.replace(pace, pause=None, transitions=(*pace.transitions, load.at))
    if over is None:
        return pace
    cause = load.cause if load.cause is not None or over is not pause.resource else pause.cause
    latest = Pause(pause.since, over, _percent(load, over), cause)
    return msgspec.structs.replace(pace, pause=latest)


def _stretch(holds: bool, since: float | None, at: float) -> float | None:
    if not holds:
        return None
    return at if since is None else since


def _percent(load: Load, resource: Resource) -> float:
    figures = {
        Resource.CPU: load.cpu_others_percent,
        Resource.MEMORY: load.memory_others_percent,
        Resource.PRESSURE: load.memory_pressure,
    }
    figure = figures[resource]
    return math.nan if figure is None else figure


def _highest(load: Load, percent: float, pressure: float) -> Resource | None:
    """The first resource above its mark; a comparison with NaN is false, so the unknown never is."""
    marks = {Resource.CPU: percent, Resource.MEMORY: percent, Resource.PRESSURE: pressure}
    return next((resource for resource, mark in marks.items() if _percent(load, resource) > mark), None)


def _sentence(pause: Pause) -> str:
    by = "" if pause.cause is None else f" ({pause.cause})"
    if pause.resource is Resource.PRESSURE:
        return f"memory: programs wait for it {pause.percent:.0f} % of the time{by}"
    return f"{pause.resource}: other programs use {pause.percent:.0f} % of this machine{by}"
