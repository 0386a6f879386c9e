"""One file's text: decoded as Python decodes it, with offsets, columns in code points, and comments."""

import ast
import io
import re
import tokenize
import warnings
from bisect import bisect_right
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_HEAD = re.compile(rb"(?:[^\r\n]*(?:\r\n|\r|\n)?){2}")
_BREAK = re.compile(rb"\r\n|\r|\n")
_CONTINUATION = bytes(range(0x80, 0xC0))
_NOT_ASCII = bytes(range(0x80, 0x100))
_BLOCK = 4096


class Source:
    """Text whose lines are numbered as the interpreter numbers them: LF, CRLF and lone CR end a line.

    A byte order mark is not part of the text and takes no column. A form feed takes one.
    """

    def __init__(self, text: str, encoding: str = "utf-8") -> None:
        self.text = text
        self.encoding = encoding
        self._ascii = text.isascii()

    @classmethod
    def decode(cls, data: bytes) -> "Source":
        """Read bytes by their mark or coding line.

        Raises ``SyntaxError`` for a mark or coding line that Python refuses, ``ValueError`` for bytes that
        are not text in that encoding, and ``LookupError`` for a codec that makes no text.
        """
        encoding = _encoding(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return cls(data.decode(encoding), encoding)
        except UnicodeDecodeError as error:
            line = len(_BREAK.findall(error.object, 0, error.start)) + 1
            wrong = error.object[error.start : error.start + 1].hex()
            raise ValueError(f"line {line}: byte 0x{wrong} is not {encoding.removesuffix('-sig')}") from error

    @property
    def is_ascii(self) -> bool:
        """Whether every identifier stands in the text letter by letter as it does in the tree (PEP 3131)."""
        return self._ascii

    def encode(self, text: str) -> bytes:
        """Turn a text back into bytes as this one was decoded; ``ValueError`` where the encoding lacks a character."""
        return text.encode(self.encoding)

    def parse(self) -> ast.Module:
        """Parse the text with this interpreter's grammar, without its warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        """Every line with its own ending."""
        return _LINE.findall(self.text)

    def offset(self, line: int, byte_column: int) -> int:
        """Where in the text a line (from 1) and a column in UTF-8 bytes (from 0), as ``ast`` gives, are."""
        if self._ascii:
            return self._starts[line - 1] + byte_column
        # Counted from the nearest block, since a line of a megabyte may hold thousands of matches.
        place = self._byte_starts[line - 1] + byte_column
        block = place // _BLOCK
        return self._counts[block] + _code_points(self._utf8[block * _BLOCK : place])

    @property
    def line_count(self) -> int:
        """How many lines there are; the last need not end."""
        return len(self._starts) - 1

    def lines_with(self, word: str, first: int, last: int) -> Iterator[int]:
        """Yield the number of each line, from ``first`` to ``last``, that holds a word, not as part of a longer one."""
        text, starts = self.text, self._starts
        end = len(text) if last >= len(starts) else starts[last]
        place = text.find(word, starts[first - 1], end)
        while place >= 0:
            after = place + len(word)
            if _is_letter(text[place - 1 : place]) or _is_letter(text[after : after + 1]):
                place = text.find(word, after, end)
                continue
            line = bisect_right(starts, place)
            yield line
            place = text.find(word, starts[line], end)

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        """Return the offsets where a node begins and ends."""
        if node.end_lineno is None or node.end_col_offset is None:
            raise ValueError("a node without an end has no span")
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column in code points, both from 1, of an offset."""
        line = max(bisect_right(self._starts, offset, hi=max(self.line_count, 1)), 1)
        return line, offset - self._starts[line - 1] + 1

    def before(self, offset: int) -> str:
        """Return what stands on an offset's line ahead of it."""
        return self.text[self._starts[self.place(offset)[0] - 1] : offset]

    def at(self, line: int, column: int) -> int:
        """Return the offset of a line and a column in code points, both from 1; ``ValueError`` beyond the text."""
        if not 1 <= line <= len(self._starts) or column < 1:
            raise ValueError(f"there is no line {line}, column {column}")
        offset = self._starts[line - 1] + column - 1
        if offset > len(self.text):
            raise ValueError(f"there is no line {line}, column {column}")
        return offset

    @cached_property
    def comments(self) -> tuple[tuple[int, int], ...] | None:
        """Spans of all comments in order, or ``None`` where the tokenizer cannot read the text."""
        if "#" not in self.text:
            return ()
        feed = iter([line.rstrip("\r\n") + "\n" for line in self.lines])
        found: list[tuple[int, int]] = []
        try:
            for token in tokenize.generate_tokens(lambda: next(feed, "")):
                if token.type == tokenize.COMMENT:
                    start = self._starts[token.start[0] - 1] + token.start[1]
                    found.append((start, start + len(token.string)))
        except (tokenize.TokenError, SyntaxError):
            return None
        if any(self.text[start] != "#" for start, _ in found):
            return None
        return tuple(found)

    @cached_property
    def _starts(self) -> list[int]:
        if "\r" in self.text:
            return [0, *accumulate(map(len, self.lines))]
        *whole, last = self.text.split("\n")
        starts = [0, *accumulate([len(line) + 1 for line in whole])]
        return [*starts, len(self.text)] if last else starts

    @cached_property
    def _utf8(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _byte_starts(self) -> list[int]:
        return [0, *accumulate(len(line.encode()) for line in self.lines)]

    @cached_property
    def _counts(self) -> list[int]:
        blocks = range(0, len(self._utf8), _BLOCK)
        return [0, *accumulate(_code_points(self._utf8[start : start + _BLOCK]) for start in blocks)]


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"


def _code_points(utf8: bytes) -> int:
    return len(utf8.translate(None, _CONTINUATION))


def _encoding(data: bytes) -> str:
    # detect_encoding knows no lone CR, and wants a coding line to be UTF-8 where the interpreter does not.
    mark = BOM_UTF8 if data.startswith(BOM_UTF8) else b""
    head = _HEAD.match(data, len(mark))
    lines = _BREAK.sub(b"\n", head[0] if head else b"").translate(None, _NOT_ASCII)
    return tokenize.detect_encoding(io.BytesIO(mark + lines).readline)[0]
