"""Builds the context anew when a configuration or a neighbourhood may have changed, and tells whom that touches."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec

from konivrer_watch.core.errors import EngineMissingError, JobError, UsageFault
from konivrer_watch.core.events import Fault
from konivrer_watch.core.model import Pass, Problem, ProblemKind, Signature
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon.context import ConfigurationReader, Context, Engines, own_engines, read_security
from konivrer_watch.daemon.frames import WorkerSetup, encode
from konivrer_watch.daemon.hints import blamed
from konivrer_watch.daemon.linter import Linter, find_linter, locate
from konivrer_watch.passes.lint.config import LintConfigurations
from konivrer_watch.passes.lint.neighbourhood import source_folders
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings, digest_of
from konivrer_watch.passes.security.profile import PLUGIN_GROUP, SecurityProfile, engine_fingerprint
from konivrer_watch.system.files import list_directory, stat_file
from konivrer_watch.system.git import GitPlace
from konivrer_watch.system.plugins import entry_points
from konivrer_watch.system.ruff import Members, Ruff, find_ruff
from konivrer_watch.system.scan import ScanScope, Snapshot, scan

_REFUSED = "correct it; until then ruff judges no file that it configures"
_UNLISTED = "every Python file is judged meanwhile; run 'ruff check --show-files' to see what is wrong"

_Asked = tuple[Linter, Members, tuple[Fault, ...]]


class Packs(msgspec.Struct, frozen=True):
    """What ``rules/`` holds: the pack for each engine. ``lint_path`` is where ruff finds ``lint``."""

    lint: bytes
    lint_path: Path
    security: bytes
    optimize: dict[str, bytes]


class Place(msgspec.Struct, frozen=True):
    """The root and what outside it has a say.

    ``root`` is absolute and free of symbolic links; ``user_files`` are ruff's user-level candidates.
    """

    root: bytes
    git: GitPlace | None
    global_excludes: bytes | None
    never: frozenset[bytes]
    user_files: tuple[bytes, ...]
    environment: Mapping[str, str]


class Contexts:
    """Owns the current context of one root."""

    def __init__(
        self,
        place: Place,
        packs: Packs,
        settings: Settings,
        engines: Engines,
        make_ruff: Callable[[Path], Ruff],
    ) -> None:
        self._place = place
        self._packs = packs
        self._settings = settings
        self._engines = engines
        self._make_ruff = make_ruff
        self._wide = False
        self._outside: dict[bytes, Signature | None] = {}
        self._sources: dict[bytes, frozenset[bytes]] = {}
        self.current: Context | None = None

    def scope(self) -> ScanScope:
        """Return how to scan the tree now."""
        place = self._place
        return ScanScope(
            place.root, place.git, place.global_excludes, self._settings.exclude, self._wide, place.never
        )

    def surroundings_changed(self) -> bool:
        """Tell whether something changed that no scan of the tree shows. Blocking.

        It is a configuration outside the tree or under a name of the user's choice, a module or folder beside the
        sources that git ignores and ruff does not, or ruff itself.
        """
        return (
            any(stat_file(b"/", path) != known for path, known in self._outside.items())
            or any(list_directory(folder) != names for folder, names in self._sources.items())
            or (self._judges_lint and self.current is not None and self._ruff_changed(self.current.linter))
        )

    def _ruff_changed(self, known: Linter) -> bool:
        try:
            return locate(self._find_ruff()) != known.binary or not known.is_current()
        except EngineMissingError:
            return known.binary is not None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the configurations."""
        return () if self.current is None else self.current.faults

    def passes_for(self, path: bytes) -> tuple[Pass, ...]:
        """Return the passes that look at this file."""
        return () if self.current is None else self.current.passes_for(path)

    def applies(self, path: bytes) -> bool:
        """Tell whether any pass looks at this file."""
        return bool(self.passes_for(path))

    async def survey(self) -> Snapshot:
        """Scan the tree and read every configuration that holds in it.

        Where ruff's configuration names other files than Python's, the tree is scanned once more, for all files.
        """
        while True:
            scope = self.scope()
            snapshots: list[Snapshot] = []

            async def look(scope: ScanScope = scope, into: list[Snapshot] = snapshots) -> Iterable[bytes]:
                into.append(await anyio.to_thread.run_sync(scan, scope))
                return into[0].files

            await self._read(look)
            if self.scope() == scope:
                return snapshots[0]

    async def read(self, files: Iterable[bytes]) -> Context:
        """Read every configuration that holds for these files, and make it the current one.

        After it, ``scope`` may differ, as in ``survey``.
        """

        async def known() -> Iterable[bytes]:
            return files

        return await self._read(known)

    async def _read(self, find_files: Callable[[], Awaitable[Iterable[bytes]]]) -> Context:
        known = Linter() if self.current is None else self.current.linter
        asked: list[_Asked] = []
        # ruff lists its files in a process of its own, while this one looks for itself.
        async with anyio.create_task_group() as group:
            group.start_soon(self._ask_ruff, known, asked)
            files = frozenset(await find_files())
            reader = ConfigurationReader()
            lint = await anyio.to_thread.run_sync(self._read_lint, files, reader)
            security, faults = await anyio.to_thread.run_sync(
                read_security, self._place.root, self._packs.security, reader
            )
        # Cancelled while a thread was at it, only ruff's part has ended of it so far, without an answer.
        await anyio.lowlevel.checkpoint()
        self._outside = reader.unseen(self._place.root, files)
        linter, members, lint_faults = asked[0]
        self.current = Context(
            self._place.root,
            frozenset(self._settings.passes),
            self._engines,
            linter,
            lint,
            reader,
            security,
            self._setup(security),
            members,
            (*lint_faults, *faults) if Pass.SECURITY in self._settings.passes else lint_faults,
        )
        return self.current

    @property
    def _judges_lint(self) -> bool:
        return Pass.LINT in self._settings.passes

    def _find_ruff(self) -> Path:
        return find_ruff(self._place.environment.get("PATH"))

    async def _ask_ruff(self, known: Linter, asked: list[_Asked]) -> None:
        """Find ruff, and have it list the files that it judges."""
        linter, all_files = Linter(), Members(frozenset(), (b"",))
        if self._judges_lint:
            linter = await find_linter(self._find_ruff, self._make_ruff, known)
        if linter.ruff is None:
            asked.append((linter, all_files, ()))
            return
        try:
            members = await linter.ruff.show_files(self._place.root)
        except JobError as error:
            problem = Problem(ProblemKind.ENGINE, str(error), _UNLISTED)
            asked.append((linter, all_files, (Fault(b"", Pass.LINT, problem),)))
            return
        faults: tuple[Fault, ...] = ()
        if members.problem is not None:
            # In the words that ruff's runs on the files of that folder end with: it is one problem, told once.
            problem = Problem(ProblemKind.CONFIGURATION, members.problem, _REFUSED)
            faults = (Fault(blamed(self._place.root, members.problem), Pass.LINT, problem),)
        asked.append((linter, members, faults))

    def _setup(self, security: SecurityProfile | None) -> bytes:
        optimize = self._settings.optimize
        chosen = OptimizeSettings(optimize.select, optimize.ignore, optimize.opt_in)
        return encode(WorkerSetup(self._packs.optimize, chosen, security, self._settings.memory_max // 4))

    def _read_lint(self, files: Iterable[bytes], reader: ConfigurationReader) -> LintConfigurations:
        lint = LintConfigurations(
            self._place.root,
            reader.read,
            self._place.user_files,
            pack=self._packs.lint,
            environment=self._place.environment,
        )
        # The root's own holds for files too that only it makes count.
        profiles = [lint.of(folder) for folder in {b"", *map(os.path.dirname, files)}]
        self._wide = any(profile.names_files for profile in profiles)
        listing = cache(list_directory)
        patterns = {profile.src for profile in profiles}
        self._sources = {
            folder: listing(folder) for src in patterns for folder in source_folders(src, listing)
        }
        return lint


def read_engines(packs: Packs, settings: Settings) -> Engines:
    """Return what identifies each engine beside ruff. Blocking.

    Raises ``UsageFault`` where the settings name an optimize rule that does not exist.
    """
    choice = settings.optimize
    chosen = OptimizeSettings(choice.select, choice.ignore, choice.opt_in)
    try:
        if choice.select or choice.ignore or choice.opt_in:
            OptimizeEngine(packs.optimize, chosen)
    except ValueError as error:
        raise UsageFault(str(error)) from error
    optimize = digest_of(packs.optimize, chosen)
    return Engines(own_engines(), optimize, engine_fingerprint(entry_points(PLUGIN_GROUP)))
