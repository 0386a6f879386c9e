"""What lies beside a file and can change ruff's verdict on it.

ruff looks at three things outside a file: where its package begins (``packaging.rs``), whether a module it
imports lies in a source folder (``isort/categorize.rs``, asked by I001, TC00x and F401 in ``__init__.py``),
and in preview whether its package lies inside another one with a gap between (INP001).
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from hashlib import sha256

from konivrer_watch.passes.lint.config import LintProfile, ancestors

Listing = Callable[[bytes], frozenset[bytes]]

_INIT = b"__init__.py"
_WILD = re.compile(rb"[*?\[]")
# No project nests its source folders deeper, and a loop of links must end.
_DEEPEST = 32


class Neighbourhoods:
    """Answers for any file, as of when ``listing`` does.

    ``listing`` returns the names in an absolute folder, those of folders with a trailing ``/`` and links followed, and
    nothing for a folder that is not there.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._packages: dict[tuple[bytes, tuple[bytes, ...]], bytes | None] = {}
        self._folders: dict[tuple[bytes, ...], list[bytes]] = {}
        self._first_party: dict[tuple[tuple[bytes, ...], bytes], bool] = {}

    def around(self, path: bytes, words: Sequence[bytes], profile: LintProfile) -> bytes:
        """Return a digest that differs where ruff could judge equal bytes at ``path`` differently.

        ``words`` are the file's ``import_words``.
        """
        folder, _, name = path.rpartition(b"/")
        directory = posixpath.join(profile.root, folder).rstrip(b"/") or b"/"
        package = self._package(directory, profile.namespace_packages)
        parts = [b"" if package is None else directory[len(posixpath.dirname(package)) :]]
        if profile.preview and package is not None and name == _INIT:
            parts.append(_gap(package, profile.root, self._listing))
        parts += [word for word in words if word and self._is_first_party(word, profile.src)]
        return sha256(b"\0".join(parts)).digest()

    def _package(self, directory: bytes, namespace_packages: tuple[bytes, ...]) -> bytes | None:
        key = (directory, namespace_packages)
        if key not in self._packages:
            self._packages[key] = package_root(directory, namespace_packages, self._listing)
        return self._packages[key]

    def _is_first_party(self, word: bytes, src: tuple[bytes, ...]) -> bool:
        key = (src, word)
        if key not in self._first_party:
            if src not in self._folders:
                self._folders[src] = source_folders(src, self._listing)
            self._first_party[key] = _is_first_party(word, self._folders[src], self._listing)
        return self._first_party[key]


def package_root(directory: bytes, namespace_packages: Sequence[bytes], listing: Listing) -> bytes | None:
    """Return the topmost folder of an unbroken chain of packages that ends at ``directory``."""
    root = None
    for folder in ancestors(directory):
        named = any(folder == each or folder.startswith(each + b"/") for each in namespace_packages)
        if not named and _INIT not in listing(folder):
            break
        root = folder
    return root


def _gap(package: bytes, root: bytes, listing: Listing) -> bytes:
    """Tell which folder between this package and one around it lacks an ``__init__.py``, if any does."""
    outer = (folder for folder in ancestors(posixpath.dirname(package)) if len(folder) >= len(root))
    if not any(_INIT in listing(folder) for folder in outer):
        return b""
    missing = next((folder for folder in ancestors(package) if _INIT not in listing(folder)), b"")
    return b"%d above" % (package.count(b"/") - missing.count(b"/"))


def _is_first_party(word: bytes, folders: Sequence[bytes], listing: Listing) -> bool:
    *packages, module = word.split(b".")
    for folder in folders:
        for package in packages:
            if package + b"/" not in listing(folder):
                break
            folder = posixpath.join(folder, package)
        else:
            names = listing(folder)
            if module + b"/" in names or module + b".py" in names or module + b".pyi" in names:
                return True
    return False


def source_folders(src: Iterable[bytes], listing: Listing) -> list[bytes]:
    """Return the folders that the patterns of a profile's ``src`` name, in order."""
    return [folder for pattern in src for folder in _folders(pattern, listing)]


def _folders(pattern: bytes, listing: Listing) -> Iterator[bytes]:
    """Yield the folders a pattern of ``src`` names; one without wildcards names itself."""
    if not _WILD.search(pattern):
        yield pattern
        return
    found = [b"/"]
    for part in filter(None, pattern.split(b"/")):
        if part == b"**":
            found = [deeper for folder in found for deeper in _below(folder, listing, _DEEPEST)]
        elif _WILD.search(part):
            found = [
                posixpath.join(folder, name) for folder in found for name in _matching(part, listing(folder))
            ]
        else:
            found = [posixpath.join(folder, part) for folder in found]
    yield from found


def _below(folder: bytes, listing: Listing, depth: int) -> Iterator[bytes]:
    yield folder
    for name in sorted(listing(folder)) if depth else ():
        if name.endswith(b"/"):
            yield from _below(posixpath.join(folder, name[:-1]), listing, depth - 1)


@lru_cache(maxsize=1024)
def _matching(part: bytes, names: frozenset[bytes]) -> tuple[bytes, ...]:
    pattern = re.compile(translate(part.decode("latin-1")).encode("latin-1"))
    folders = sorted(name[:-1] for name in names if name.endswith(b"/"))
    return tuple([name for name in folders if pattern.match(name)])
