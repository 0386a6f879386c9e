"""Instants and spans as a person reads them. Pure: now is an argument."""

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def parse(text: str) -> datetime | None:
    """Return an instant in ISO 8601 as UTC; ``None`` where the text is none, or does not say of which zone."""
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instant(text: str, now: datetime) -> str:
    """Return an instant with its distance from ``now``: ``2026-01-01T00:00:00Z (3 min ago)``."""
    found = parse(text)
    return text if found is None else f"{found:%Y-%m-%dT%H:%M:%SZ} ({age(found, now)})"


def age(then: datetime, now: datetime) -> str:
    """Return the distance of an instant from ``now`` in its largest unit: ``3 min ago``, ``in 5 s``."""
    seconds = round((now - then).total_seconds())
    if seconds == 0:
        return "just now"
    size, unit = next(each for each in _UNITS if abs(seconds) >= each[0])
    return f"{seconds // size} {unit} ago" if seconds > 0 else f"in {-seconds // size} {unit}"


def span(seconds: int) -> str:
    """Return a length of time in at most three units, the largest first: ``1 d 2 h 3 min``, ``4 s``."""
    parts: list[str] = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        if number or parts or unit == "s":
            parts.append(f"{number} {unit}")
    return " ".join(parts[:3])
