"""Builds the context anew when a configuration or a neighbourhood may have changed, and tells whom that touches."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from konivrer_watch.core.errors import JobError, UsageFault
from konivrer_watch.core.model import Pass, Signature
from konivrer_watch.core.settings import Settings
from konivrer_watch.core.status import Fault
from konivrer_watch.daemon.context import Context, Engines, read_security
from konivrer_watch.daemon.frames import WorkerSetup, encode
from konivrer_watch.passes.lint.config import LintConfigurations
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.security.profile import engine_fingerprint
from konivrer_watch.system.files import list_directory, read_optional, stat_file
from konivrer_watch.system.git import GitPlace
from konivrer_watch.system.ruff import Members, Ruff
from konivrer_watch.system.scan import ScanScope
from konivrer_watch.system.workers import Workers


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
    """Owns the current context of one root, and gives it to the judge and the workers."""

    def __init__(
        self,
        place: Place,
        packs: Packs,
        settings: Settings,
        engines: Engines,
        ruff: Ruff | None,
        workers: Workers,
    ) -> None:
        self._place = place
        self._packs = packs
        self._settings = settings
        self._engines = engines
        self._ruff = ruff
        self._workers = workers
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

        It is a configuration outside the tree, or a module or folder beside the sources that git ignores and ruff
        does not.
        """
        return any(stat_file(b"/", path) != known for path, known in self._outside.items()) or any(
            list_directory(folder) != names for folder, names in self._sources.items()
        )

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

    async def read(self, files: Iterable[bytes]) -> Context:
        """Read every configuration that holds for these files, and make it the current one.

        After it, ``scope`` may differ: where ruff's configuration names other files than Python's, all are scanned.
        """
        listed: list[Members] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._list_members, listed)
            context = await anyio.to_thread.run_sync(self._read, {os.path.dirname(path) for path in files})
        context.members = listed[0]
        optimize = self._settings.optimize
        setup = WorkerSetup(
            self._packs.optimize,
            OptimizeSettings(optimize.select, optimize.ignore, optimize.opt_in),
            context.security,
            self._settings.memory_max // 4,
        )
        self._workers.configure(encode(setup))
        self.current = context
        return context

    async def _list_members(self, listed: list[Members]) -> None:
        if self._ruff is None:
            listed.append(Members(frozenset(), (b"",)))
            return
        try:
            listed.append(await self._ruff.show_files(self._place.root))
        except JobError as error:
            listed.append(Members(frozenset(), (b"",), str(error)))

    def _read(self, directories: Iterable[bytes]) -> Context:
        root = self._place.root
        seen = _Reader()
        lint = LintConfigurations(
            root,
            seen.read,
            self._place.user_files,
            pack=self._packs.lint,
            environment=self._place.environment,
        )
        looked: set[bytes] = set()
        sources: set[bytes] = set()
        for directory in directories:
            profile = lint.of(directory)
            looked.update(profile.files)
            sources.update(profile.src)
        security, faults = read_security(root, self._packs.security)
        self._wide = seen.names_files
        prefix = root.rstrip(b"/") + b"/"
        self._outside = {path: stat_file(b"/", path) for path in looked if not path.startswith(prefix)}
        self._sources = {folder: list_directory(folder) for folder in sources}
        return Context(root, frozenset(self._settings.passes), self._engines, lint, security, faults)


class _Reader:
    """Reads configuration files, and notes whether one says which files ruff judges."""

    def __init__(self) -> None:
        self.names_files = False

    def read(self, path: bytes) -> bytes | None:
        data = read_optional(path)
        if data is not None and (b"include" in data or b"extension" in data) and b"ruff" in path + data:
            self.names_files = True
        return data


async def read_engines(ruff: Ruff | None, packs: Packs, settings: Settings) -> Engines:
    """Return what identifies each engine.

    Raises ``UsageFault`` where the settings name an optimize rule that does not exist.
    """
    chosen = settings.optimize
    try:
        optimize = OptimizeEngine(
            packs.optimize, OptimizeSettings(chosen.select, chosen.ignore, chosen.opt_in)
        ).digest
    except ValueError as error:
        raise UsageFault(f"optimize: {error}") from error
    lint = "none" if ruff is None else await ruff.version()
    return Engines(lint.encode(), optimize, engine_fingerprint())
