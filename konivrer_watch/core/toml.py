"""TOML that anybody may have written, as the configuration in a cloned repository."""

import re
from typing import Any

LONGEST_KEY = 64
"""Parts of a dotted key; a person's has a handful."""

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"""(?<![\w"'-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{LONGEST_KEY}}}""")


def parse_toml(text: str) -> dict[str, Any]:
    """Return the document. Raises ``tomllib.TOMLDecodeError``, and ``RecursionError`` where it is nested too deeply.

    tomllib walks from the top for every key, so that a prefix of thousands of parts makes it work for hours on a file
    of some hundred kilobytes: a key of more than ``LONGEST_KEY`` parts is an error at once.
    """
    # Most roots have none to read, and the short commands pay for each import.
    import tomllib

    if _LONG_KEY.search(text):
        raise tomllib.TOMLDecodeError(f"a key has more than {LONGEST_KEY} parts")
    return tomllib.loads(text)
