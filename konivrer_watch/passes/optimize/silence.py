"""Comments that silence findings: ``# konivrer: ignore[OPT101, OPT102]``, or bare for every rule."""

import re
from collections.abc import Mapping

from konivrer_watch.passes.optimize.source import Source

_COMMENT = re.compile(r"#\s*konivrer:\s*ignore(?:\[([^\]]*)\])?(?![\w\[-])")
_SEPARATOR = re.compile(r"[\s,]+")


class Silences:
    """What one file's comments silence, by line."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._by_line = _read(source)

    def cover(self, start: int, end: int, code: str) -> bool:
        """Tell whether a comment silences ``code`` for the span of offsets from ``start`` to ``end``.

        It may stand on the span's first line or on its last, where formatters put the comment of a call
        that they break.
        """
        if not self._by_line:
            return False
        for line in (self._source.place(start)[0], self._source.place(end)[0]):
            codes = self._by_line.get(line, frozenset())
            if codes is None or code in codes:
                return True
        return False


def _read(source: Source) -> Mapping[int, frozenset[str] | None]:
    """Map each line that has such a comment to its codes; ``None`` means every code."""
    silent: dict[int, frozenset[str] | None] = {}
    if "konivrer" not in source.text:
        return silent
    for start, end in source.comments or ():
        found = _COMMENT.search(source.text, start, end)
        if found:
            codes = None if found[1] is None else frozenset(_SEPARATOR.split(found[1].strip()))
            silent[source.place(start)[0]] = codes
    return silent
