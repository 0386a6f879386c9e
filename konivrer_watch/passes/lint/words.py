"""The modules a file can import, read off its text without parsing it."""

import re
import unicodedata
from collections.abc import Iterator

import msgspec

_GAP = rb"(?:[ \t\f]|\\\r?\n|\\\r)"
_NAME = rb"[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*"
_DOTTED = rb"%b(?:%b*\.%b*%b)*" % (_NAME, _GAP, _GAP, _NAME)
_ALIAS = rb"%b+as%b+%b" % (_GAP, _GAP, _NAME)
_LIST = rb"%b(?:%b)?(?:%b*,%b*%b(?:%b)?)*" % (_DOTTED, _ALIAS, _GAP, _GAP, _DOTTED, _ALIAS)
# A relative ``from`` is consumed with its ``import``, so that what it takes is not mistaken for modules.
_RELATIVE = rb"%b*\.(?:[^;#\r\n\\]|\\\r?\n|\\\r)*?\bimport\b" % _GAP
_ABSOLUTE = rb"%b+(%b)%b+import\b" % (_GAP, _DOTTED, _GAP)
# The look behind comes after the first letters, so that the search can leap to them.
_BEHIND = rb"(?<![A-Za-z0-9_\x80-\xff]%b)"
_STATEMENT = re.compile(
    rb"from%b(?:%b|%b)|import%b%b+(%b)"
    % (_BEHIND % b"from", _RELATIVE, _ABSOLUTE, _BEHIND % b"import", _GAP, _LIST)
)
_ALIASES = re.compile(_ALIAS)
_GAPS = re.compile(_GAP)
_SILENCER = re.compile(rb"ruff\s*:")


class _Cell(msgspec.Struct):
    source: str | list[str] = ""


class _Notebook(msgspec.Struct):
    cells: list[_Cell] = []


def import_words(data: bytes, path: bytes) -> tuple[bytes, ...]:
    """Return the dotted names of modules that a file may import, sorted; a superset of what it imports.

    What looks like an import in a string or a comment counts too. Relative imports are left out: ruff
    knows them for local without looking. A name may be followed by what it would be after NFKC.
    """
    found: set[bytes] = set()
    for text in _texts(data, path):
        for from_module, modules in _STATEMENT.findall(text):
            listed = _ALIASES.sub(b"", modules).split(b",") if modules else (from_module,)
            found.update(_GAPS.sub(b"", name) for name in listed)
    found.discard(b"")
    found.update([normal for name in found if not name.isascii() for normal in _normal(name)])
    return tuple(sorted(found))


def may_silence(data: bytes) -> bool:
    """Tell whether a file may silence ruff by ``noqa``, ``ruff: noqa`` or ``ruff: disable``."""
    lowered = data.lower()
    return b"noqa" in lowered or (b"ruff" in lowered and _SILENCER.search(lowered) is not None)


def _texts(data: bytes, path: bytes) -> Iterator[bytes]:
    """Yield a file's source: a notebook's code without its JSON, anything else as it is."""
    if data.lstrip()[:1] == b"{":
        try:
            notebook = msgspec.json.decode(data, type=_Notebook)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            yield "\n".join("".join(cell.source) for cell in notebook.cells).encode()
            if path.endswith(b".ipynb"):
                return
    yield data


def _normal(name: bytes) -> Iterator[bytes]:
    try:
        yield unicodedata.normalize("NFKC", name.decode()).encode()
    except UnicodeDecodeError:
        return
