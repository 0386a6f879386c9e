"""Which commands of a repository may run: those whose exact text its owner has agreed to."""

import re
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from konivrer_watch.core.settings import Settings

# What a reader cannot see, count, or tell from another character; and what would look like our own signs for it.
_HIDDEN = re.compile(r"^ +| {2,}| +\Z|([^ -~])\1*|\\(?=[uU])|(?<=[^ -~])\{|(?<=  )\{|(?<=^ )\{")


class Command(msgspec.Struct, frozen=True):
    """A command that a setting of the repository holds, by the setting's key."""

    key: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of key and text, in hexadecimal: trust in one says nothing of the other."""
        # Surrogates, which TOML cannot hold but an argument can, have no UTF-8.
        return sha256(f"{self.key}\0{self.text}".encode(errors="surrogatepass")).hexdigest()


class TrustRecord(msgspec.Struct, frozen=True):
    """What the owner of a root agreed to: digest of a command to the instant (UTC) it was agreed to."""

    root: bytes
    agreed: dict[str, str] = {}


def commands_of(settings: Settings) -> tuple[Command, ...]:
    """Return every command that settings hold."""
    return () if settings.verify is None else (Command("verify", settings.verify),)


def agree(record: TrustRecord, commands: Sequence[Command], at: str) -> TrustRecord:
    """Return the record with these commands, and no others, agreed to. What was before keeps its instant."""
    agreed = {each.digest: record.agreed.get(each.digest, at) for each in commands}
    return TrustRecord(record.root, agreed)


def agreed_at(record: TrustRecord | None, root: bytes, command: Command) -> str | None:
    """Return when a command of a root was agreed to; ``None`` where it was not, or its text is another by now."""
    if record is None or record.root != root:
        return None
    return record.agreed.get(command.digest)


def show(text: str) -> str:
    """Return a command as one line of ASCII that tells its text exactly, whatever a terminal would hide of it.

    Each character that is not printable ASCII is ``\\uXXXX`` or ``\\UXXXXXXXX``, and so are blanks at either end or
    several in a row; ``{N}`` behind it says that N of them follow each other.
    """
    return _HIDDEN.sub(lambda match: _number(match[0]), text)


def _number(same: str) -> str:
    point = ord(same[0])
    code = f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
    return code if len(same) == 1 else f"{code}{{{len(same)}}}"
