"""The tree as ``stat`` sees it: which files count, with what signature, and what was not looked at.

Blocking; callers run it in a thread. Entries that vanish on the way are normal. Nested repositories,
submodules and mounts are entered, as ruff and bandit do, with the outer rules and their own
``.gitignore`` files; links to directories are not.
"""

import os
import stat

import msgspec

from konivrer_watch.core.model import Signature, Skip
from konivrer_watch.core.relevance import COUNTS, Disposition, IgnoreRules, candidate, steers
from konivrer_watch.system.files import signature_of
from konivrer_watch.system.scope import (
    GONE,
    VENV,
    VENV_MARK,
    ScanScope,
    barred,
    exists,
    reason_of,
    rules_at,
    with_own,
)

__all__ = ["ScanScope", "Snapshot", "dispose", "judge", "scan"]

NOT_PYTHON = Disposition(False, "not a Python file")
NOT_REGULAR = Disposition(False, "not a regular file")
DIRECTORY = Disposition(False, "a directory", wakes=True)
OUT_OF_ROOT = Disposition(False, "symbolic link out of the root")
BROKEN_LINK = Disposition(False, "symbolic link to nothing", wakes=True)
LINKED_DIRECTORY = Disposition(False, "symbolic link to a directory")


class Snapshot(msgspec.Struct, frozen=True):
    """What a scan found. Paths are relative to the root, for a scan of a subtree too.

    ``files`` count. ``steering`` are configuration files that are ignored themselves and yet say what
    ruff, bandit or git do with their neighbours. ``links`` are those of ``files`` that are symbolic
    links to files in the root, with the target's signature. ``directories`` were entered, ``b""`` is
    the root. ``skipped`` would count but could not be looked at. ``ignored`` counts the entries that
    rules turned away, an ignored directory as one.
    """

    files: dict[bytes, Signature]
    steering: dict[bytes, Signature]
    links: tuple[bytes, ...]
    directories: frozenset[bytes]
    skipped: tuple[Skip, ...]
    ignored: int


def scan(scope: ScanScope, under: bytes = b"") -> Snapshot:
    """All that counts at and below the directory ``under`` now; nothing if it is gone or not entered.

    Raises ``OSError`` if the root itself cannot be listed: an empty answer would look like a deletion.
    """
    walk = _Walk(scope)
    unwanted: list[Skip] = []
    rules = rules_at(scope, under, unwanted if under else walk.skipped)
    if isinstance(rules, IgnoreRules):
        walk.pending.append((under, rules))
    elif not exists(scope.absolute(b".")):
        raise FileNotFoundError(f"the root {os.fsdecode(scope.root)} is gone")
    while walk.pending:
        walk.enter(*walk.pending.pop())
    return Snapshot(
        walk.files,
        walk.steering,
        tuple(sorted(walk.links)),
        frozenset(walk.directories),
        tuple(sorted(walk.skipped, key=lambda skip: skip.path)),
        walk.ignored,
    )


def dispose(scope: ScanScope, path: bytes) -> Disposition:
    """What ``scan`` would say of one path, which has no ``.`` and ``..`` in it.

    ``counts`` is true for exactly the paths in ``Snapshot.files``.
    """
    if scope.git is not None and scope.absolute(path) == scope.git.info_exclude:
        return Disposition(False, "git's own directory", wakes=True)
    if not path:
        return DIRECTORY
    folder, _, name = path.rpartition(b"/")
    rules = rules_at(scope, folder, [])
    if isinstance(rules, Disposition):
        return Disposition(False, rules.reason, rules.wakes or (rules is VENV and name == VENV_MARK))
    rules = with_own(scope, folder, rules, [])
    try:
        status = os.lstat(scope.absolute(path))
    except (FileNotFoundError, NotADirectoryError):
        return barred(scope, path, rules, is_dir=False) or GONE
    except OSError as error:
        return Disposition(False, reason_of(error), wakes=True)
    if stat.S_ISDIR(status.st_mode):
        reached = rules_at(scope, path, [])
        return reached if isinstance(reached, Disposition) else DIRECTORY
    reason = barred(scope, path, rules, is_dir=False)
    if reason is not None:
        return Disposition(False, reason.reason, wakes=steers(name))
    if not (candidate(name) or scope.wide):
        return NOT_PYTHON
    judged = judge(scope, path, status)
    return judged if isinstance(judged, Disposition) else COUNTS


def judge(scope: ScanScope, path: bytes, status: os.stat_result) -> Signature | Disposition:
    """A candidate's signature, or why it has none. ``status`` is the ``lstat`` of ``path``."""
    if stat.S_ISREG(status.st_mode):
        return signature_of(status)
    if not stat.S_ISLNK(status.st_mode):
        return NOT_REGULAR
    root = os.path.realpath(scope.root).rstrip(b"/")
    try:
        target = os.path.realpath(scope.absolute(path), strict=True)
        if not target.startswith(root + b"/"):
            return OUT_OF_ROOT
        status = os.lstat(target)
    except OSError:
        return BROKEN_LINK
    if stat.S_ISDIR(status.st_mode):
        return LINKED_DIRECTORY
    return signature_of(status) if stat.S_ISREG(status.st_mode) else NOT_REGULAR


class _Walk:
    """A scan under way. Directories wait in ``pending``, so that depth costs no stack."""

    def __init__(self, scope: ScanScope) -> None:
        self.scope = scope
        self.pending: list[tuple[bytes, IgnoreRules]] = []
        self.files: dict[bytes, Signature] = {}
        self.steering: dict[bytes, Signature] = {}
        self.links: list[bytes] = []
        self.directories: set[bytes] = set()
        self.skipped: list[Skip] = []
        self.ignored = 0

    def enter(self, folder: bytes, rules: IgnoreRules) -> None:
        """List one directory. ``rules`` are those that hold in it before its own ``.gitignore``."""
        try:
            with os.scandir(self.scope.absolute(folder)) as listing:
                entries = {entry.name: entry for entry in listing}
        except OSError as error:
            if not folder:
                raise
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                self.skipped.append(Skip(folder, reason_of(error)))
            return
        if folder and VENV_MARK in entries:
            self.ignored += 1
            return
        self.directories.add(folder)
        if b".gitignore" in entries:
            rules = with_own(self.scope, folder, rules, self.skipped)
        prefix = folder + b"/" if folder else b""
        for name, entry in entries.items():
            path = prefix + name
            try:
                if entry.is_dir(follow_symlinks=False):
                    self.meet_directory(path, name, rules)
                elif candidate(name) or self.scope.wide:
                    self.meet_candidate(path, name, entry, rules)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self.skipped.append(Skip(path, reason_of(error)))

    def meet_directory(self, path: bytes, name: bytes, rules: IgnoreRules) -> None:
        """Queue a directory, unless it is barred."""
        if barred(self.scope, path, rules, is_dir=True) is not None:
            self.ignored += 1
        else:
            self.pending.append((path, rules.descend(name, None)))

    def meet_candidate(self, path: bytes, name: bytes, entry: os.DirEntry[bytes], rules: IgnoreRules) -> None:
        """Take a candidate's signature, unless it is barred."""
        reason = barred(self.scope, path, rules, is_dir=False)
        if reason is not None:
            self.ignored += 1
            if not steers(name):
                return
        judged = judge(self.scope, path, entry.stat(follow_symlinks=False))
        if isinstance(judged, Signature):
            (self.files if reason is None else self.steering)[path] = judged
            if reason is None and entry.is_symlink():
                self.links.append(path)
        elif judged is OUT_OF_ROOT and reason is None:
            # It is named, and not missing: what lies outside is not part of this tree.
            self.skipped.append(Skip(path, judged.reason or "", complete=True))
