"""What is scanned, and the ignore rules on the way down to a directory, as they are on disk now."""

import errno
import os
import stat

import msgspec

from konivrer_watch.core.gitignore import MOST_GLOBS, too_many_globs
from konivrer_watch.core.model import Skip
from konivrer_watch.core.relevance import Disposition, IgnoreFile, IgnoreRules
from konivrer_watch.system.git import GitPlace

LARGEST_IGNORE_FILE = 1024 * 1024
VENV_MARK = b"pyvenv.cfg"

GIT_OWN = Disposition(False, "git's own directory")
NEVER_ENTERED = Disposition(False, "the program's own directory")
VENV = Disposition(False, "virtual environment (pyvenv.cfg)")
GONE = Disposition(False, "does not exist", wakes=True)
NOT_ENTERED = Disposition(False, "not below a directory of the root")


class ScanScope(msgspec.Struct, frozen=True):
    """What one root's scans look at.

    ``root`` is absolute and free of symbolic links. ``exclude`` are the settings' gitignore patterns,
    anchored at the root. ``wide`` makes every regular file a candidate. ``never`` are directories,
    relative to the root, that are not entered whatever the rules say.
    """

    root: bytes
    git: GitPlace | None = None
    global_excludes: bytes | None = None
    exclude: tuple[str, ...] = ()
    wide: bool = False
    never: frozenset[bytes] = frozenset()

    def absolute(self, path: bytes) -> bytes:
        """The place of a path relative to the root; ``b""`` is the root."""
        return self.root.rstrip(b"/") + b"/" + path


def barred(scope: ScanScope, path: bytes, rules: IgnoreRules, is_dir: bool) -> Disposition | None:
    """Why the entry ``path`` does not count by its name alone; ``rules`` are its directory's."""
    name = path.rpartition(b"/")[2]
    if name == b".git":
        return GIT_OWN
    if path in scope.never:
        return NEVER_ENTERED
    return rules.ignores(name, is_dir)


def rules_at_root(scope: ScanScope, skipped: list[Skip]) -> IgnoreRules:
    """Rules that hold at the root before its own ``.gitignore``: the user's, git's, and those above.

    Whether the root itself is ignored from above does not matter: the user named it.
    """
    layers = []
    sources = [scope.global_excludes, scope.git.info_exclude if scope.git else None]
    for source in sources:
        content = None if source is None else read_ignore_file(source, source, skipped, follow=True)
        if source is not None and content is not None:
            layers.append(IgnoreFile(source, content))
    above: list[bytes] = []
    folder = b""
    if scope.git is not None:
        folder = scope.git.top.rstrip(b"/")
        above = [name for name in scope.root[len(folder) :].split(b"/") if name]
    rules = IgnoreRules.top(layers, len(above))
    for name in above:
        own = folder + b"/.gitignore"
        rules = rules.here(read_ignore_file(own, own, skipped)).descend(name, None)
        folder += b"/" + name
    return rules.excluding(scope.exclude)


def rules_at(scope: ScanScope, folder: bytes, skipped: list[Skip]) -> IgnoreRules | Disposition:
    """Rules that hold in a directory below the root before its own ``.gitignore``, or why none do."""
    rules = rules_at_root(scope, skipped)
    path = b""
    for name in folder.split(b"/") if folder else ():
        rules = with_own(scope, path, rules, skipped)
        path = path + b"/" + name if path else name
        reason = barred(scope, path, rules, is_dir=True)
        if reason is not None:
            return reason
        try:
            if not stat.S_ISDIR(os.lstat(scope.absolute(path)).st_mode):
                return NOT_ENTERED
        except (FileNotFoundError, NotADirectoryError):
            return GONE
        except OSError as error:
            return Disposition(False, reason_of(error), wakes=True)
        if exists(scope.absolute(path) + b"/" + VENV_MARK):
            return VENV
        rules = rules.descend(name, None)
    return rules


def with_own(scope: ScanScope, folder: bytes, rules: IgnoreRules, skipped: list[Skip]) -> IgnoreRules:
    """The directory's rules with its own ``.gitignore``, read now."""
    path = folder + b"/.gitignore" if folder else b".gitignore"
    return rules.here(read_ignore_file(scope.absolute(path), path, skipped))


def read_ignore_file(path: bytes, label: bytes, skipped: list[Skip], follow: bool = False) -> bytes | None:
    """Content of an ignore file, ``None`` without one. What cannot be used is named in ``skipped``.

    As git does (2.32 and later), a symbolic link is followed outside the tree only.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags)
        try:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                return None
            reason, content = _content(handle, status)
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = "a symbolic link" if error.errno == errno.ELOOP and not follow else reason_of(error)
    else:
        if not reason:
            return content
    skipped.append(Skip(label, f"its ignore rules are not used: {reason}"))
    return None


def _content(handle: int, status: os.stat_result) -> tuple[str, bytes]:
    """Why an open ignore file cannot be used, empty if it can, and its content."""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", b""
    if status.st_size > LARGEST_IGNORE_FILE:
        return f"larger than {LARGEST_IGNORE_FILE // 1024} kB", b""
    content = _read_all(handle)
    return (f"more than {MOST_GLOBS} lines with wildcards" if too_many_globs(content) else ""), content


def _read_all(handle: int) -> bytes:
    """The whole file, or as much of it as the limit allows if it grows while it is read."""
    parts: list[bytes] = []
    left = LARGEST_IGNORE_FILE
    while left and (part := os.read(handle, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def exists(path: bytes) -> bool:
    """Whether there is an entry of this name, a broken link included."""
    try:
        os.lstat(path)
    except OSError:
        return False
    return True


def reason_of(error: OSError) -> str:
    """The system's own words for an error."""
    return error.strerror or str(error)
