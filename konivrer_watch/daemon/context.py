"""What holds for every file at one moment: configurations, engines and neighbourhoods, and so each verdict's key."""

import os
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from konivrer_watch import __version__, passes
from konivrer_watch.core.events import Fault
from konivrer_watch.core.fingerprint import verdict_key
from konivrer_watch.core.model import FileRecord, Pass, Problem, ProblemKind, Signature
from konivrer_watch.core.relevance import steers
from konivrer_watch.daemon.linter import Linter
from konivrer_watch.passes.lint.config import LintConfigurations, LintProfile
from konivrer_watch.passes.lint.neighbourhood import Neighbourhoods
from konivrer_watch.passes.security.profile import CONFIG_NAMES, SecurityProfile, also_reads, load_profile
from konivrer_watch.system.files import list_directory, read_optional, stat_file
from konivrer_watch.system.ruff import Members

_OPTIMIZED = (b".py", b".pyw")


class Engines(msgspec.Struct, frozen=True):
    """What judges beside ruff: names, versions and digests, as they enter each verdict's key.

    ``ours`` is this program's part in every verdict.
    """

    ours: bytes
    optimize: bytes
    security: bytes

    @property
    def python(self) -> bytes:
        """What every verdict depends on that comes of a syntax tree."""
        return self.ours + sys.version.encode()


def own_engines() -> bytes:
    """Return this program's version and a digest of the sources that its verdicts and records come of. Blocking."""
    folder = Path(passes.__path__[0])
    sources = sorted(folder.rglob("*.py"))
    parts = [(source.relative_to(folder).as_posix(), source.read_bytes()) for source in sources]
    return f"konivrer-watch {__version__} ".encode() + sha256(msgspec.msgpack.encode(parts)).digest()


class ConfigurationReader:
    """Reads configuration files by their absolute paths, and knows later whether they are still what was read."""

    def __init__(self) -> None:
        self._read: dict[bytes, tuple[Signature | None, bytes | None]] = {}

    def read(self, path: bytes) -> bytes | None:
        """Return a file's bytes, ``None`` where there is no such file."""
        # The signature first: what is written between the two must not go unnoticed.
        signature = stat_file(b"/", path)
        data = None if signature is None else read_optional(path)
        self._read[path] = signature, _digest(data)
        return data

    def is_as_read(self, path: bytes) -> bool:
        """Whether a file is what it was when it was read."""
        if path not in self._read:
            return True
        signature, digest = self._read[path]
        if stat_file(b"/", path) != signature:
            return False
        return signature is None or _digest(read_optional(path)) == digest

    def unseen(self, root: bytes, files: frozenset[bytes]) -> dict[bytes, Signature | None]:
        """Return the paths that were asked for and whose change no scan shows, with what was there.

        A scan that found ``files`` shows what has a name that steers and lies in a folder with files, unless it is
        ignored or a link out of the root: then it is there, and no file of the scan.
        """
        prefix = root.rstrip(b"/") + b"/"
        folders = {b""}
        for folder in set(map(os.path.dirname, files)):
            while folder not in folders:
                folders.add(folder)
                folder = os.path.dirname(folder)

        def is_seen(path: bytes, there: bool) -> bool:
            inside = path.removeprefix(prefix)
            folder, name = os.path.split(inside)
            shown = path.startswith(prefix) and folder in folders and steers(name)
            return shown and (not there or inside in files)

        return {
            path: signature
            for path, (signature, _) in self._read.items()
            if not is_seen(path, signature is not None)
        }


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
                engine = self._engines.ours + self.linter.version.encode()
                return verdict_key(pass_, engine, configuration, path, executable, record.digest, around)
            case Pass.OPTIMIZE:
                engine, rules = self._engines.python, self._engines.optimize
                return verdict_key(pass_, engine, rules, b"", False, record.digest, b"")
            case Pass.SECURITY:
                profile_digest = self._security_digest
                engine = self._engines.python + self._engines.security
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


def read_security(
    root: bytes, pack: bytes, reader: ConfigurationReader
) -> tuple[SecurityProfile | None, tuple[Fault, ...]]:
    """Read bandit's configuration of the repository; what is wrong with it is a fault of that file."""
    files = _read_named(root, CONFIG_NAMES, reader)
    try:
        files |= _read_named(root, also_reads(files), reader)
        profile = load_profile(files, pack, lambda path: os.path.isdir(os.path.join(root, os.fsencode(path))))
    except ValueError as error:
        name = str(error).partition(":")[0]
        hint = "correct it; until then no file is judged by bandit"
        problem = Problem(ProblemKind.CONFIGURATION, str(error), hint)
        return None, (Fault(name.encode() if name in files else b"", Pass.SECURITY, problem),)
    return profile, ()


def _read_named(root: bytes, names: Iterable[str], reader: ConfigurationReader) -> dict[str, bytes]:
    """Read those of the files that exist; one that a link or ``..`` leads out of the root does not."""
    paths = {name: os.path.join(root, os.fsencode(name)) for name in names}
    inside = os.path.realpath(root).rstrip(b"/") + b"/"
    return {
        name: data
        for name, path in paths.items()
        if os.path.realpath(path).startswith(inside) and (data := reader.read(path)) is not None
    }
