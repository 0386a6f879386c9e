"""What holds for every file at one moment: configurations, engines and neighbourhoods, and so each verdict's key."""

import os
import sys
from collections.abc import Callable, Iterable
from functools import cache

import msgspec

from konivrer_watch.core.fingerprint import verdict_key
from konivrer_watch.core.model import FileRecord, Pass, Problem, ProblemKind
from konivrer_watch.core.status import Fault
from konivrer_watch.passes.lint.config import LintConfigurations, LintProfile
from konivrer_watch.passes.lint.neighbourhood import neighbourhood
from konivrer_watch.passes.security.profile import CONFIG_NAMES, SecurityProfile, also_reads, load_profile
from konivrer_watch.system.files import list_directory, read_optional
from konivrer_watch.system.ruff import Members

_PYTHON = sys.version.encode()
_OPTIMIZED = (b".py", b".pyw")


class Engines(msgspec.Struct, frozen=True):
    """What judges: names and versions, as they enter each verdict's key."""

    lint: bytes
    optimize: bytes
    security: bytes


class Context:
    """Keys and passes for any path, as of the moment it was built."""

    def __init__(
        self,
        root: bytes,
        passes: frozenset[Pass],
        engines: Engines,
        lint: LintConfigurations,
        security: SecurityProfile | None,
        faults: tuple[Fault, ...],
    ) -> None:
        self._passes = passes
        self._engines = engines
        self._lint = lint
        self._listing: Callable[[bytes], frozenset[bytes]] = cache(list_directory)
        self.security = security
        self.faults = faults
        self.root = root
        self.members = Members(frozenset())

    def lint_profile(self, path: bytes) -> LintProfile:
        """Return ruff's configuration for a file."""
        return self._lint.of(os.path.dirname(path))

    def passes_for(self, path: bytes) -> tuple[Pass, ...]:
        """Return the passes that apply to a file, in their order."""
        return tuple([pass_ for pass_ in Pass if pass_ in self._passes and self._applies(pass_, path)])

    def _applies(self, pass_: Pass, path: bytes) -> bool:
        match pass_:
            case Pass.LINT:
                return path in self.members
            case Pass.OPTIMIZE:
                return path.endswith(_OPTIMIZED)
            case Pass.SECURITY:
                return self.security is not None and self.security.counts(path)

    def keys(self, path: bytes, record: FileRecord) -> dict[Pass, bytes]:
        """Return the key of each verdict that applies to these bytes at this place."""
        return {pass_: self._key(pass_, path, record) for pass_ in self.passes_for(path)}

    def _key(self, pass_: Pass, path: bytes, record: FileRecord) -> bytes:
        executable = bool(record.signature.mode & 0o111)
        match pass_:
            case Pass.LINT:
                profile = self.lint_profile(path)
                words = tuple(record.words.split(b" "))
                around = neighbourhood(path, words, profile, self._listing)
                return verdict_key(
                    pass_, self._engines.lint, profile.digest, path, executable, record.digest, around
                )
            case Pass.OPTIMIZE:
                return verdict_key(pass_, _PYTHON, self._engines.optimize, b"", False, record.digest, b"")
            case Pass.SECURITY:
                profile_digest = b"" if self.security is None else self.security.digest
                engine = _PYTHON + self._engines.security
                return verdict_key(pass_, engine, profile_digest, path, False, record.digest, b"")


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
