"""What holds for every file at one moment: configurations, engines and neighbourhoods, and so each verdict's key."""

import os
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256

import msgspec

from konivrer_watch import __version__
from konivrer_watch.core.fingerprint import verdict_key
from konivrer_watch.core.model import FileRecord, Pass, Problem, ProblemKind, Signature
from konivrer_watch.core.status import Fault
from konivrer_watch.daemon.linter import Linter
from konivrer_watch.passes.lint.config import LintConfigurations, LintProfile
from konivrer_watch.passes.lint.neighbourhood import Neighbourhoods
from konivrer_watch.passes.security.profile import CONFIG_NAMES, SecurityProfile, also_reads, load_profile
from konivrer_watch.system.files import list_directory, read_optional, stat_file
from konivrer_watch.system.ruff import Members

_OURS = f"konivrer-watch {__version__} ".encode()
_PYTHON = _OURS + sys.version.encode()
_OPTIMIZED = (b".py", b".pyw")


class Engines(msgspec.Struct, frozen=True):
    """What judges beside ruff: names and versions, as they enter each verdict's key."""

    optimize: bytes
    security: bytes


class ConfigurationReader:
    """Reads configuration files by their absolute paths, and knows later whether they are still what was read."""

    def __init__(self) -> None:
        self._read: dict[bytes, tuple[Signature | None, bytes | None]] = {}
        self.names_files = False
        """Whether one says which files ruff judges."""

    def read(self, path: bytes) -> bytes | None:
        """Return a file's bytes, ``None`` where there is no such file."""
        # The signature first: what is written between the two must not go unnoticed.
        signature = stat_file(b"/", path)
        data = None if signature is None else read_optional(path)
        self._read[path] = signature, _digest(data)
        if data is not None and (b"include" in data or b"extension" in data) and b"ruff" in path + data:
            self.names_files = True
        return data

    def is_as_read(self, path: bytes) -> bool:
        """Whether a file is what it was when it was read."""
        if path not in self._read:
            return True
        signature, digest = self._read[path]
        if stat_file(b"/", path) != signature:
            return False
        return signature is None or _digest(read_optional(path)) == digest


class Context:
    """Keys and passes for any path, as of the moment it was built. ``setup`` is the first frame for engine workers."""

    def __init__(
        self,
        root: bytes,
        passes: frozenset[Pass],
        engines: Engines,
        linter: Linter,
        lint: LintConfigurations,
        reader: ConfigurationReader,
        security: SecurityProfile | None,
        setup: bytes,
        members: Members,
        faults: tuple[Fault, ...],
    ) -> None:
        self._passes = passes
        self._engines = engines
        self._lint = lint
        self._reader = reader
        self._neighbourhoods = Neighbourhoods(cache(list_directory))
        self._applying: dict[bytes, tuple[Pass, ...]] = {}
        self._security = security
        self._security_digest = b"" if security is None else security.digest
        self._members = members
        self.root = root
        self.linter = linter
        self.setup = setup
        self.faults = faults

    def lint_profile(self, path: bytes) -> LintProfile:
        """Return ruff's configuration for a file."""
        return self._lint.of(os.path.dirname(path))

    def passes_for(self, path: bytes) -> tuple[Pass, ...]:
        """Return the passes that apply to a file, in their order."""
        if path not in self._applying:
            self._applying[path] = tuple(
                [pass_ for pass_ in Pass if pass_ in self._passes and self._applies(pass_, path)]
            )
        return self._applying[path]

    def _applies(self, pass_: Pass, path: bytes) -> bool:
        match pass_:
            case Pass.LINT:
                return path in self._members
            case Pass.OPTIMIZE:
                return path.endswith(_OPTIMIZED)
            case Pass.SECURITY:
                return self._security is not None and self._security.counts(path)

    def keys(self, path: bytes, record: FileRecord) -> dict[Pass, bytes]:
        """Return the key of each verdict that applies to these bytes at this place."""
        return {pass_: self._key(pass_, path, record) for pass_ in self.passes_for(path)}

    def _key(self, pass_: Pass, path: bytes, record: FileRecord) -> bytes:
        executable = bool(record.signature.mode & 0o111)
        match pass_:
            case Pass.LINT:
                configuration = self.lint_profile(path).digest
                around = self._around(path, record, self._neighbourhoods)
                engine = _OURS + self.linter.version.encode()
                return verdict_key(pass_, engine, configuration, path, executable, record.digest, around)
            case Pass.OPTIMIZE:
                return verdict_key(pass_, _PYTHON, self._engines.optimize, b"", False, record.digest, b"")
            case Pass.SECURITY:
                profile_digest = self._security_digest
                engine = _PYTHON + self._engines.security
                return verdict_key(pass_, engine, profile_digest, path, False, record.digest, b"")

    def _around(self, path: bytes, record: FileRecord, neighbourhoods: Neighbourhoods) -> bytes:
        return neighbourhoods.around(path, record.words.split(b" "), self.lint_profile(path))

    def moved_on(self, files: Iterable[tuple[bytes, FileRecord]]) -> set[bytes]:
        """Return the files that ruff may have judged by another configuration or neighbourhood than their key says.

        ruff reads both from disk for itself. Where they are as they were, before it ran and after, it saw the same.
        Blocking.
        """
        if not self.linter.is_current():
            return {path for path, _ in files}
        is_as_read = cache(self._reader.is_as_read)
        neighbourhoods = Neighbourhoods(cache(list_directory))
        return {
            path
            for path, record in files
            if not all(is_as_read(file) for file in self.lint_profile(path).files)
            or self._around(path, record, neighbourhoods) != self._around(path, record, self._neighbourhoods)
        }


def _digest(data: bytes | None) -> bytes | None:
    return None if data is None else sha256(data).digest()


def read_security(root: bytes, pack: bytes) -> tuple[SecurityProfile | None, tuple[Fault, ...]]:
    """Read bandit's configuration of the repository; what is wrong with it is a fault of that file."""
    files = _read_named(root, CONFIG_NAMES)
    try:
        files |= _read_named(root, also_reads(files))
        profile = load_profile(files, pack, lambda path: os.path.isdir(os.path.join(root, os.fsencode(path))))
    except ValueError as error:
        name = str(error).partition(":")[0]
        hint = "correct it; until then no file is judged by bandit"
        problem = Problem(ProblemKind.CONFIGURATION, str(error), hint)
        return None, (Fault(name.encode() if name in files else b"", Pass.SECURITY, problem),)
    return profile, ()


def _read_named(root: bytes, names: Iterable[str]) -> dict[str, bytes]:
    """Read those of the files that exist; one that a link or ``..`` leads out of the root does not."""
    paths = {name: os.path.join(root, os.fsencode(name)) for name in names}
    inside = os.path.realpath(root).rstrip(b"/") + b"/"
    return {
        name: data
        for name, path in paths.items()
        if os.path.realpath(path).startswith(inside) and (data := read_optional(path)) is not None
    }
