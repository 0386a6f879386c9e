"""Text of others made safe to print, in a terminal and in a log."""

import re

# C0, DEL and C1; the bidirectional controls of UAX 9; line and paragraph separators; lone surrogates.
_UNSAFE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def escape(text: str) -> str:
    """Write control and bidirectional characters as ``\\xNN`` or ``\\uNNNN``; the result is one line."""
    if text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: _code(ord(match[0])), text)


def _code(point: int) -> str:
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"
