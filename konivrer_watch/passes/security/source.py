"""What bandit needs of a file beside its tree: ``# nosec`` comments by line, and columns in code points."""

import io
import re
import tokenize
from functools import cached_property

from bandit.core.manager import _parse_nosec_comment

_LINE_END = re.compile(r"\r\n|\r|\n")
_UTF8 = ("utf-8", "utf-8-sig")


class Source:
    """One file's bytes, decoded as their mark or coding line says.

    ``SyntaxError`` where Python's tokenizer finds no encoding, as bandit would report.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        self._utf8 = self._encoding in _UTF8
        self._ascii = self._utf8 and data.isascii()
        self._sound_utf8 = self._ascii or (self._utf8 and _is_utf8(data))

    def nosec(self) -> dict[int, set[str] | None]:
        """Return the tests that comments silence, by line; the empty set silences all.

        bandit tokenizes every file. That can matter in three cases only: a comment says ``nosec``, the
        file is not UTF-8 (in a comment the parser accepts any bytes; the tokenizer refuses them on Python
        3.11), or the tokenizer refuses an indentation that the parser accepts (after a lone carriage
        return or a line that begins with a backslash). Else what it refuses is no Python.
        Raises ``SyntaxError``, ``ValueError`` or ``LookupError`` where bandit could not read the file.
        """
        if self._sound_utf8 and b"nosec" not in self.data and not self._odd_lines():
            return {}
        found: dict[int, set[str] | None] = {}
        try:
            for token in tokenize.tokenize(io.BytesIO(self.data).readline):
                if token.type == tokenize.COMMENT:
                    found[token.start[0]] = _parse_nosec_comment(token.string)
        except tokenize.TokenError:
            return found
        except SystemError as error:
            # So the tokenizer of Python 3.12 and 3.13 meets a NUL after some errors; bandit skips the file.
            raise ValueError("the tokenizer fails on it") from error
        return found

    def _odd_lines(self) -> bool:
        data = self.data
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return True
        return any(
            not data[data.rfind(b"\n", 0, at) + 1 : at].strip(b" \t\f")
            for at in _found(data, b"\\\n", b"\\\r")
        )

    def may_hold(self, characters: tuple[str, ...]) -> bool:
        """Whether any of these characters, none of them ASCII, can be in the text, or it cannot be decoded."""
        if not self._sound_utf8:
            return True
        return not self._ascii and any(character.encode() in self.data for character in characters)

    @cached_property
    def _lines(self) -> list[bytes]:
        text = self.data.decode(self._encoding, "replace")
        return [line.encode("utf-8", "replace") for line in _LINE_END.split(text)]

    def column(self, line: int, offset: int) -> int:
        """Return the column in code points from 1, of a line from 1 and an offset in UTF-8 bytes."""
        if self._ascii or not 0 < line <= len(self._lines):
            return offset + 1
        text = self._lines[line - 1]
        beyond = max(offset - len(text), 0)
        return len(text[:offset].decode("utf-8", "ignore")) + beyond + 1


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _found(data: bytes, *needles: bytes) -> list[int]:
    places = []
    for needle in needles:
        at = data.find(needle)
        while at >= 0:
            places.append(at)
            at = data.find(needle, at + 1)
    return places
