"""What a problem's reader can do: the line that leaves a file out, and the configuration file that a message blames."""

import os
import re

import msgspec

from konivrer_watch.core.model import Problem, ProblemKind, Verdict

_LEAVES_OUT = frozenset({ProblemKind.UNPARSABLE, ProblemKind.TOO_LARGE, ProblemKind.QUARANTINED})
_GLOB = re.compile(r"[\\*?\[]")
# git drops a carriage return at a line's end, escaped or not; in a class it is like any other byte.
_RETURN = re.compile(r"\r\Z")
_TRAILING_SPACE = re.compile(r" (?= *\Z)")
_CONFIGURATION = re.compile(rb"(?<![^\s`'\"(])(/[^`'\"\n]*?\.toml)(?=[\s`'\":,)]|$)")


def exclude_line(path: bytes) -> str:
    """Return the setting, in TOML, that leaves out exactly this file.

    TOML is Unicode: for a byte of the name that is no UTF-8 stands ``?``, which any other byte would match too.
    """
    text = "".join(
        "?" if "\udc80" <= char <= "\udcff" else _GLOB.sub(r"\\\g<0>", char)
        for char in path.decode(errors="surrogateescape")
    )
    pattern = "/" + _TRAILING_SPACE.sub(r"\\ ", _RETURN.sub("[\r]", text))
    return f'exclude = ["{"".join(map(_toml, pattern))}"]'


def with_exclude_line(path: bytes, verdict: Verdict) -> Verdict:
    """Return the verdict; where its problem lies in the file itself, the hint says how to leave the file out."""
    problem = verdict.problem
    if problem is None or problem.kind not in _LEAVES_OUT:
        return verdict
    hint = f"{problem.hint.rstrip('.')}; {exclude_line(path)} leaves it out"
    return msgspec.structs.replace(verdict, problem=Problem(problem.kind, problem.message, hint))


def blamed(root: bytes, message: str) -> bytes:
    """Return the configuration file below the root that a message names, relative to it; empty where it names none."""
    prefix = root.rstrip(b"/") + b"/"
    for found in _CONFIGURATION.finditer(os.fsencode(message)):
        if found[1].startswith(prefix):
            return bytes(found[1][len(prefix) :])
    return b""


def _toml(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    point = ord(char)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
