"""One file's text: decoded as Python decodes it, with offsets, columns in code points, and comments."""

import ast
import io
import re
import tokenize
import warnings
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_HEAD = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")
_UTF8 = frozenset({"utf-8", "utf-8-sig"})


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
        """Read bytes by their mark or coding line; ``SyntaxError``, ``ValueError`` or ``LookupError`` if not text."""
        first = _HEAD.match(data)
        first_end = first.end() if first else 0
        second = _HEAD.match(data, first_end)
        second_end = second.end() if second else first_end
        head = b"".join(
            line.rstrip(b"\r\n") + b"\n" for line in (data[:first_end], data[first_end:second_end]) if line
        )
        encoding, _ = tokenize.detect_encoding(io.BytesIO(head).readline)
        return cls(data.decode(encoding), encoding)

    @property
    def is_utf8(self) -> bool:
        """Whether a tree made from the bytes surely has this text's columns."""
        return self.encoding in _UTF8

    def parse(self) -> ast.Module:
        """Parse the text with this interpreter's grammar, without its warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(self.text)

    def parse_expression(self) -> ast.expr:
        """Parse the text as one expression, without warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(self.text, mode="eval").body

    @cached_property
    def lines(self) -> list[str]:
        """Every line with its own ending."""
        return _LINE.findall(self.text)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(map(len, self.lines))]

    def offset(self, line: int, byte_column: int) -> int:
        """Where in the text a line (from 1) and a column in UTF-8 bytes (from 0), as ``ast`` gives, are."""
        start = self._starts[line - 1]
        if self._ascii:
            return start + byte_column
        return start + len(self.lines[line - 1].encode()[:byte_column].decode())

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return the offsets where a node begins and ends."""
        if node.end_lineno is None or node.end_col_offset is None:
            raise ValueError("a node without an end has no span")
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column in code points, both from 1, of an offset."""
        line = max(bisect_right(self._starts, offset, hi=max(len(self.lines), 1)), 1)
        return line, offset - self._starts[line - 1] + 1

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
