"""Which configuration ruff applies to a folder, found without running ruff and without reading.

Source: ``settings_toml``, ``resolve_configuration`` and ``resolve`` of astral-sh/ruff. Where ruff finds
none of the user's, our pack is given with ``--config``, which resolves against the root.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256

import msgspec

from konivrer_watch.passes.lint.settings_file import SettingsFile, canonical, expand, read_settings_file

_NAMES = (b".ruff.toml", b"ruff.toml", b"pyproject.toml")


class LintProfile(msgspec.Struct, frozen=True):
    """How ruff judges the files of one folder.

    ``digest`` stands for everything configured: it is free of the root's own place, so a moved tree keeps
    it. ``own`` means our pack, with ``target_version`` to be given beside it (``--config`` does not look at
    ``requires-python``). ``src`` are absolute glob patterns of folders that hold first-party modules.
    ``forced`` means that ``lint.exclude`` must be applied to files named on the command line.
    ``problem`` names a file that could not be read, and why: ruff will most likely refuse it too.
    ``files`` are absolute paths whose appearance, change or loss may change this profile. ``names_files`` means that
    it may say of other files than Python's that ruff judges them.
    """

    root: bytes
    digest: bytes
    own: bool
    target_version: str | None
    src: tuple[bytes, ...]
    namespace_packages: tuple[bytes, ...]
    preview: bool
    forced: bool
    problem: str | None
    files: tuple[bytes, ...]
    names_files: bool = False


class _Chain(msgspec.Struct, frozen=True):
    """A settings file with all that it extends, nearest first, and the folder its paths resolve against."""

    members: tuple[tuple[SettingsFile, bytes], ...]
    looked: tuple[bytes, ...]
    problem: str | None

    @property
    def settles_target(self) -> bool:
        return any(file.target_version for file, _ in self.members)


class LintConfigurations:
    """Answers for each folder of one tree, each file read once. Make a new one when a file has changed."""

    def __init__(
        self,
        root: bytes,
        read: Callable[[bytes], bytes | None],
        user_files: Sequence[bytes],
        *,
        pack: bytes,
        environment: Mapping[str, str],
    ) -> None:
        """Take the root as an absolute path free of symbolic links, for ruff resolves the one it runs in.

        ``read`` returns a regular file's bytes, ``None`` where there is none, and may raise ``OSError``.
        ``user_files`` are the user-level candidates, first found wins. ``pack`` is our ``lint.toml``.
        """
        self._root = root
        self._read = read
        self._user_files = tuple(user_files)
        self._pack = pack
        self._environment = environment
        self._files: dict[bytes, SettingsFile | None] = {}
        self._profiles: dict[bytes, LintProfile] = {}
        self._settled: dict[bytes, LintProfile] = {}

    def of(self, directory: bytes) -> LintProfile:
        """Return the profile of a folder, named relative to the root (empty: the root itself)."""
        if directory not in self._profiles:
            profile = self._find(posixpath.join(self._root, directory).rstrip(b"/") or b"/")
            if directory and not profile.own:
                # ruff reads the settings of the folder it runs in first, and refuses all where they are bad.
                top = self.of(b"")
                profile = msgspec.structs.replace(
                    _with(profile, top.files), problem=profile.problem or top.problem
                )
            self._profiles[directory] = profile
        return self._profiles[directory]

    def _find(self, directory: bytes) -> LintProfile:
        looked: list[bytes] = []
        for ancestor in ancestors(directory):
            for name in _NAMES:
                path = posixpath.join(ancestor, name)
                looked.append(path)
                file = self._file(path)
                if file is not None and file.options is not None:
                    return _with(self._configured(file, user_level=False), looked)
        for path in self._user_files:
            looked.append(path)
            file = self._file(path)
            if file is not None:
                return _with(self._configured(file, user_level=True), looked)
        return self._own(directory, looked)

    def _own(self, directory: bytes, looked: Sequence[bytes]) -> LintProfile:
        target, _ = self._minimum_above(directory)
        digest = _digest(b"own", self._pack, target)
        src = (self._root, posixpath.join(self._root, b"src"))
        return LintProfile(self._root, digest, True, target, src, (), False, False, None, tuple(looked))

    def _configured(self, first: SettingsFile, *, user_level: bool) -> LintProfile:
        if first.path not in self._settled:
            chain = self._chain(first, user_level=user_level)
            target, looked = None, chain.looked
            if user_level or not chain.settles_target:
                start = self._root if user_level else posixpath.dirname(first.path)
                target, seen = self._minimum_above(start)
                looked += seen
            self._settled[first.path] = self._profile(chain, target, looked)
        return self._settled[first.path]

    def _profile(self, chain: _Chain, target: str | None, looked: tuple[bytes, ...]) -> LintProfile:
        problem = chain.problem
        base = chain.members[0][1]
        src: tuple[bytes, ...] = (base, posixpath.join(base, b"src"))
        try:
            src = next(iter(self._resolved(chain, "src", self._environment)), src)
        except ValueError as error:
            problem = problem or f"{chain.members[0][0].path.decode(errors='backslashreplace')}: src: {error}"
        namespaces = next(iter(self._resolved(chain, "namespace-packages", None)), ())
        parts: list[object] = [target, [self._place(path) for path in src]]
        for file, folder in chain.members:
            parts += [self._place(folder), file.content]
        if any(_holds_absolute(file.options) for file, _ in chain.members):
            parts.append(self._root)
        return LintProfile(
            root=self._root,
            digest=_digest(*parts),
            own=False,
            target_version=None,
            src=src,
            namespace_packages=namespaces,
            preview=any(file.preview for file, _ in chain.members),
            forced=any(file.excludes_from_lint for file, _ in chain.members),
            problem=problem,
            files=looked,
            names_files=any(file.names_files for file, _ in chain.members),
        )

    def _chain(self, first: SettingsFile, *, user_level: bool) -> _Chain:
        members: list[tuple[SettingsFile, bytes]] = []
        looked: list[bytes] = [first.path]
        problem: str | None = None
        file: SettingsFile | None = first
        while file is not None:
            parent = posixpath.dirname(file.path)
            members.append((file, self._root if user_level else parent))
            problem = problem or file.problem
            if file.extend is None:
                break
            where = file.path.decode(errors="backslashreplace")
            try:
                target = expand(file.extend, self._environment).encode()
            except ValueError as error:
                problem = problem or f"{where}: extend: {error}"
                break
            path = posixpath.normpath(posixpath.join(parent, target))
            if path in looked:
                problem = problem or f"{where}: extend: it extends itself"
                break
            looked.append(path)
            file = self._file(path)
            if file is None:
                problem = problem or f"{where}: extend: {file_text(path)} does not exist"
        return _Chain(tuple(members), tuple(looked), problem)

    def _resolved(
        self, chain: _Chain, key: str, environment: Mapping[str, str] | None
    ) -> Iterator[tuple[bytes, ...]]:
        for file, folder in chain.members:
            texts = file.texts(key)
            if texts is not None:
                expanded = [text if environment is None else expand(text, environment) for text in texts]
                yield tuple(posixpath.normpath(posixpath.join(folder, text.encode())) for text in expanded)

    def _minimum_above(self, directory: bytes) -> tuple[str | None, tuple[bytes, ...]]:
        looked: list[bytes] = []
        for ancestor in ancestors(directory):
            path = posixpath.join(ancestor, b"pyproject.toml")
            looked.append(path)
            file = self._file(path)
            if file is not None and file.minimum is not None:
                return file.minimum, tuple(looked)
        return None, tuple(looked)

    def _file(self, path: bytes) -> SettingsFile | None:
        if path not in self._files:
            try:
                data = self._read(path)
                self._files[path] = None if data is None else read_settings_file(path, data)
            except OSError as error:
                reason = f"{file_text(path)}: cannot be read: {error.strerror}"
                self._files[path] = SettingsFile(path, reason.encode(), {}, problem=reason)
        return self._files[path]

    def _place(self, path: bytes) -> bytes:
        """Return where a path lies as seen from the root, absolute only if neither above nor below."""
        prefix = self._root.rstrip(b"/") + b"/"
        if path == self._root or path.startswith(prefix):
            return b"below " + path[len(prefix) :]
        if self._root.startswith(path.rstrip(b"/") + b"/"):
            return b"above " + self._root[len(path.rstrip(b"/")) + 1 :]
        return b"at " + path


def ancestors(path: bytes) -> Iterator[bytes]:
    """Yield an absolute path and every folder above it, up to ``/``."""
    while True:
        yield path
        parent = posixpath.dirname(path)
        if parent == path:
            return
        path = parent


def file_text(path: bytes) -> str:
    """Return a path in words."""
    return path.decode(errors="backslashreplace")


def _with(profile: LintProfile, looked: Sequence[bytes]) -> LintProfile:
    return msgspec.structs.replace(profile, files=tuple(dict.fromkeys((*looked, *profile.files))))


def _holds_absolute(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith("/")
    if isinstance(value, Mapping):
        return any(_holds_absolute(part) for item in value.items() for part in item)
    return isinstance(value, list) and any(_holds_absolute(part) for part in value)


def _digest(*parts: object) -> bytes:
    return sha256(canonical(parts)).digest()
