"""What one setting's value may be: each kind reads a TOML value, or the text of an environment variable."""

import re
from typing import Protocol, TypeGuard

import msgspec

from konivrer_watch.core.model import Pass

_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Kind(Protocol):
    """A set of allowed values."""

    @property
    def allowed(self) -> str:
        """The allowed values in words that complete "must be …"."""

    def read(self, value: object) -> object:
        """Return the value as the program keeps it; ``ValueError`` if it is not allowed."""

    def from_text(self, text: str) -> object:
        """Return the TOML value that the text stands for, or the text itself if it stands for none."""


class Number(msgspec.Struct, frozen=True):
    """Any number of ``unit`` between two bounds, kept as a float."""

    low: int
    high: int
    unit: str

    @property
    def allowed(self) -> str:
        """Both bounds and the unit."""
        return f"a number of {self.unit} from {self.low} to {self.high}"

    def read(self, value: object) -> float:
        """Take integers and floats; NaN lies between no bounds."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            raise ValueError(self.allowed)
        return float(value)

    def from_text(self, text: str) -> object:
        """Read decimal notation."""
        try:
            return float(text)
        except ValueError:
            return text


class Whole(msgspec.Struct, frozen=True):
    """A whole number of ``unit`` between two bounds."""

    low: int
    high: int
    unit: str

    @property
    def allowed(self) -> str:
        """Both bounds and the unit."""
        return f"a whole number of {self.unit} from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        """Take integers only: 50.0 is a slip of the pen."""
        if not _is_whole(value, self.low, self.high):
            raise ValueError(self.allowed)
        return value

    def from_text(self, text: str) -> object:
        """Read decimal digits."""
        try:
            return int(text)
        except ValueError:
            return text


class Flag(msgspec.Struct, frozen=True):
    """Yes or no."""

    allowed: str = "true or false"

    def read(self, value: object) -> bool:
        """Take booleans only."""
        if not isinstance(value, bool):
            raise ValueError(self.allowed)
        return value

    def from_text(self, text: str) -> object:
        """Read ``true``, ``yes``, ``1`` and their opposites, in any case."""
        return _FLAGS.get(text.strip().lower(), text)


class Choice(msgspec.Struct, frozen=True):
    """One word out of a few."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """Every word."""
        return "one of " + ", ".join(f'"{word}"' for word in self.words)

    def read(self, value: object) -> str:
        """Take a word as it is written in the table."""
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(self.allowed)
        return value

    def from_text(self, text: str) -> object:
        """Words are text already."""
        return text.strip()


class Workers(msgspec.Struct, frozen=True):
    """``"auto"``, or how many."""

    high: int

    @property
    def allowed(self) -> str:
        """The word and the bounds."""
        return f'"auto" or a whole number from 1 to {self.high}'

    def read(self, value: object) -> object:
        """Take the word or an integer."""
        if value != "auto" and not _is_whole(value, 1, self.high):
            raise ValueError(self.allowed)
        return value

    def from_text(self, text: str) -> object:
        """Read decimal digits; the word is text already."""
        return Whole(1, self.high, "").from_text(text.strip())


class Size(msgspec.Struct, frozen=True):
    """Bytes, kept as an integer and written as one or with a unit of 1024: ``"512M"``."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        """The notation and both bounds."""
        return (
            f'bytes, or a size such as "512M" or "1G", from {size_text(self.low)} to {size_text(self.high)}'
        )

    def read(self, value: object) -> int:
        """Take an integer, or digits with at most one of K, M, G, T behind them."""
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match:
            value = int(match[1]) * _UNITS[match[2].upper()]
        if not _is_whole(value, self.low, self.high):
            raise ValueError(self.allowed)
        return value

    def from_text(self, text: str) -> object:
        """Sizes are text already."""
        return text.strip()


class Texts(msgspec.Struct, frozen=True):
    """A list of texts, each on one line and not empty."""

    what: str

    @property
    def allowed(self) -> str:
        """What the texts are."""
        return f"a list of {self.what}, each one line of text"

    def read(self, value: object) -> tuple[str, ...]:
        """Take a list or tuple."""
        if not isinstance(value, list | tuple):
            raise ValueError(self.allowed)
        texts = tuple(item for item in value if isinstance(item, str) and _is_line(item))
        if len(texts) != len(value):
            raise ValueError(self.allowed)
        return texts

    def from_text(self, text: str) -> object:
        """Split at commas; so a text that holds one can be written in a file only."""
        return _split(text)


class Passes(msgspec.Struct, frozen=True):
    """Some of the passes, at least one; order and repetition mean nothing."""

    allowed: str = "a list of at least one of " + ", ".join(f'"{one}"' for one in Pass)

    def read(self, value: object) -> tuple[Pass, ...]:
        """Take a list or tuple of names."""
        if not isinstance(value, list | tuple) or not value or any(item not in list(Pass) for item in value):
            raise ValueError(self.allowed)
        return tuple(one for one in Pass if one in value)

    def from_text(self, text: str) -> object:
        """Split at commas."""
        return _split(text)


class Command(msgspec.Struct, frozen=True):
    """A command line, or none."""

    allowed: str = "a command on one line"

    def read(self, value: object) -> str | None:
        """Take a string that is not blank; ``None`` is no command."""
        if value is not None and not (isinstance(value, str) and value.strip() and _is_line(value)):
            raise ValueError(self.allowed)
        return value

    def from_text(self, text: str) -> object:
        """An empty variable takes the command away."""
        return text or None


def size_text(size: int) -> str:
    """Write bytes with the largest unit of 1024 that loses nothing: 536870912 is ``512M``."""
    for letter in ("T", "G", "M", "K"):
        if size and size % _UNITS[letter] == 0:
            return f"{size // _UNITS[letter]}{letter}"
    return str(size)


def _is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_line(text: str) -> bool:
    """Whether the text is not empty, has no line end or NUL, and can be written as UTF-8."""
    return bool(text) and not any(sign in "\0\r\n" or "\ud800" <= sign <= "\udfff" for sign in text)
