"""The patterns of one ignore file, and which of them decides about a name.

Semantics are git's (gitignore(5), checked against ``git check-ignore --no-index``): the last pattern
that matches decides. Names and patterns are bytes.
"""

import re
from functools import lru_cache

import msgspec

from konivrer_watch.core.glob import is_literal, translate

# 2,000 globs take about 0.3 s and, for that time, 10 MB; plain names cost a hundredth of that.
MOST_GLOBS = 2000
_BOM = b"\xef\xbb\xbf"
_NEVER = rb"(?!)"
# A glob that ends otherwise ends in a literal byte, escaped or not.
_OPEN_END = frozenset(b"*?]")


class Pattern(msgspec.Struct, frozen=True):
    """One line of an ignore file.

    ``glob`` is without the ``!`` and the slashes at its ends. ``anchored`` globs are compared with the
    path from the file's own directory, others with the last component. ``directory`` ones match
    directories only.
    """

    line: int
    text: bytes
    glob: bytes
    negated: bool
    directory: bool
    anchored: bool


def parse_line(line: bytes, number: int) -> Pattern | None:
    """The pattern on a line without its newline; ``None`` for comments and what can never match."""
    if line.startswith(b"#"):
        return None
    text = _without_trailing_spaces(line.removesuffix(b"\r").partition(b"\0")[0])
    negated = text.startswith(b"!")
    glob = text[negated:]
    directory = glob.endswith(b"/")
    glob = glob.removesuffix(b"/")
    anchored = b"/" in glob
    glob = glob.removeprefix(b"/")
    if not glob or translate(glob) is None:
        return None
    return Pattern(number, text, glob, negated, directory, anchored)


def _without_trailing_spaces(text: bytes) -> bytes:
    kept = text.rstrip(b" ")
    backslashes = len(kept) - len(kept.rstrip(b"\\"))
    return text[: len(kept) + 1] if backslashes % 2 else kept


class IgnoreList:
    """The compiled patterns of one ignore file, with tables for plain names and ``*.ext``."""

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self._patterns = patterns
        self._names: dict[bytes, int] = {}
        self._folders: dict[bytes, int] = {}
        self._paths: dict[bytes, int] = {}
        self._folder_paths: dict[bytes, int] = {}
        suffixes: list[int] = []
        globs: list[int] = []
        path_globs: list[int] = []
        for index, pattern in enumerate(patterns):
            if is_literal(pattern.glob):
                files, folders = (
                    (self._paths, self._folder_paths) if pattern.anchored else (self._names, self._folders)
                )
                folders[pattern.glob] = index
                if not pattern.directory:
                    files[pattern.glob] = index
            elif pattern.anchored:
                path_globs.append(index)
            elif pattern.glob[:1] == b"*" and is_literal(pattern.glob[1:]):
                suffixes.append(index)
            else:
                globs.append(index)
        self._suffixes = tuple(reversed(suffixes))
        self._endings = tuple({patterns[index].glob[1:] for index in suffixes})
        self._globs = _Alternatives(patterns, globs)
        self._path_globs = _Alternatives(patterns, path_globs)
        self.anchored = any(pattern.anchored for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def last_match(self, name: bytes, folder: bytes, is_dir: bool) -> Pattern | None:
        """The last pattern that matches an entry.

        ``folder`` is the path from the file's directory to the entry's, empty or ending in a slash.
        """
        subject = name + b"\0" if is_dir else name
        last = (self._folders if is_dir else self._names).get(name, -1)
        if self._endings and name.endswith(self._endings):
            last = max(last, self._last_suffix(name, is_dir))
        last = max(last, self._globs.last(name, subject))
        if self.anchored:
            last = max(last, (self._folder_paths if is_dir else self._paths).get(folder + name, -1))
            last = max(last, self._path_globs.last(folder + name, folder + subject))
        return self._patterns[last] if last >= 0 else None

    def _last_suffix(self, name: bytes, is_dir: bool) -> int:
        for index in self._suffixes:
            pattern = self._patterns[index]
            if name.endswith(pattern.glob[1:]) and (is_dir or not pattern.directory):
                return index
        return -1


class _Alternatives:
    """Globs by the byte that a match must end with, else start with, else neither.

    Few globs are left to try for any one path, however long the ignore file is.
    """

    def __init__(self, patterns: tuple[Pattern, ...], chosen: list[int]) -> None:
        ends: dict[int, list[int]] = {}
        starts: dict[int, list[int]] = {}
        others: list[int] = []
        for index in chosen:
            glob = patterns[index].glob
            if glob[-1] not in _OPEN_END:
                ends.setdefault(glob[-1], []).append(index)
            elif is_literal(glob[:1]):
                starts.setdefault(glob[0], []).append(index)
            else:
                others.append(index)
        self._ends = {byte: _Alternation(patterns, indexes) for byte, indexes in ends.items()}
        self._starts = {byte: _Alternation(patterns, indexes) for byte, indexes in starts.items()}
        self._others = _Alternation(patterns, others) if others else None
        self._any = bool(chosen)

    def last(self, path: bytes, subject: bytes) -> int:
        """Index of the last that matches ``subject``, the path with its directory mark; -1 if none."""
        if not self._any:
            return -1
        tried = (self._ends.get(path[-1]), self._starts.get(path[0]), self._others)
        return max([globs.last(subject) for globs in tried if globs is not None], default=-1)


class _Alternation:
    """Globs in one expression, last first, so that the first alternative that matches decides."""

    def __init__(self, patterns: tuple[Pattern, ...], chosen: list[int]) -> None:
        self._indexes = tuple(reversed(chosen))
        branches = []
        for index in self._indexes:
            end = rb"\x00\Z" if patterns[index].directory else rb"\x00?\Z"
            branches.append(b"(" + (translate(patterns[index].glob) or _NEVER) + end + b")")
        self._match = re.compile(b"|".join(branches), re.DOTALL).match

    def last(self, subject: bytes) -> int:
        found = self._match(subject)
        return -1 if found is None or found.lastindex is None else self._indexes[found.lastindex - 1]


def too_many_globs(content: bytes) -> bool:
    """Whether an ignore file holds more lines with wildcards than can be compiled at a bearable cost."""
    if content.count(b"\n") < MOST_GLOBS:
        return False
    return sum(not is_literal(line) for line in content.split(b"\n") if line[:1] != b"#") > MOST_GLOBS


def compile_lines(content: bytes) -> IgnoreList:
    """The patterns of an ignore file's content. Equal contents share one compiled list, within bounds."""
    return _small(content) if len(content) <= _SMALL else _large(content)


def _compiled(content: bytes) -> IgnoreList:
    lines = content.removeprefix(_BOM).split(b"\n")
    parsed = (parse_line(line, number) for number, line in enumerate(lines, 1))
    return IgnoreList(tuple(pattern for pattern in parsed if pattern is not None))


# A compiled list is up to 60 times the size of its content, so what is kept is bounded by bytes.
_SMALL = 16 * 1024
_small = lru_cache(maxsize=64)(_compiled)
_large = lru_cache(maxsize=2)(_compiled)
