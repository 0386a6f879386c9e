"""Which paths count. A "no" carries its reason."""

from collections.abc import Sequence

import msgspec

from konivrer_watch.core.gitignore import IgnoreList, Pattern, compile_lines, parse_line

SOURCE_ENDINGS = (b".py", b".pyi", b".pyw", b".ipynb")
STEERING_NAMES = frozenset(
    {
        b"pyproject.toml",
        b"ruff.toml",
        b".ruff.toml",
        b".bandit",
        b"bandit.yaml",
        b"bandit.yml",
        b"konivrer-watch.toml",
        b".gitignore",
    }
)


class Disposition(msgspec.Struct, frozen=True):
    """Whether a path counts, else why not.

    ``wakes`` means that an event on the path may change what counts or what is said of it, although
    the path itself does not count: an entered directory, a path that is gone, an ignored
    configuration file. Control characters of names are in ``reason`` as they are.
    """

    counts: bool
    reason: str | None = None
    wakes: bool = False


COUNTS = Disposition(True, None, True)


def steers(name: bytes) -> bool:
    """Whether a file of this name configures a pass or says what is ignored."""
    return name in STEERING_NAMES


def candidate(name: bytes) -> bool:
    """Whether a file of this name may be judged or steers a verdict.

    Case matters, as in ruff's default ``include`` and bandit's ``*.py``, ``*.pyw``.
    """
    return name.endswith(SOURCE_ENDINGS) or name in STEERING_NAMES


class IgnoreFile(msgspec.Struct, frozen=True):
    """Content of an ignore file outside the tree, and the name it is called by in reasons."""

    source: bytes
    content: bytes


class _Level(msgspec.Struct, frozen=True):
    """One ignore file as seen from a directory: ``folder`` leads from the file's place to there."""

    rules: IgnoreList
    source: bytes
    folder: bytes

    def below(self, name: bytes) -> "_Level":
        if not self.rules.anchored:
            return self
        return _Level(self.rules, self.source, self.folder + name + b"/")


class IgnoreRules(msgspec.Struct, frozen=True):
    """All ignore rules that hold in one directory, deepest first. Build it by ``top`` and ``descend``.

    The caller asks of every directory on the way down and does not enter ignored ones: what lies in
    an ignored directory cannot be brought back.
    """

    _levels: tuple[_Level, ...] = ()
    _settings: _Level | None = None
    _above: int = 0
    _path: bytes = b""

    @classmethod
    def top(cls, layers: Sequence[IgnoreFile], above: int = 0) -> "IgnoreRules":
        """Rules above git's top: global excludes first, then info/exclude, which wins.

        ``above`` is how many directories git's top lies above the root; only reasons depend on it.
        """
        compiled = ((compile_lines(layer.content), layer.source) for layer in reversed(layers))
        return cls(tuple(_Level(rules, source, b"") for rules, source in compiled if rules), None, above, b"")

    def here(self, gitignore: bytes | None) -> "IgnoreRules":
        """The rules with the content of the directory's own ``.gitignore``, if it has one."""
        rules = compile_lines(gitignore) if gitignore else None
        if not rules:
            return self
        source = b"../" * self._above + self._path + b".gitignore"
        return IgnoreRules(
            (_Level(rules, source, b""), *self._levels), self._settings, self._above, self._path
        )

    def excluding(self, exclude: Sequence[str]) -> "IgnoreRules":
        """The rules with the settings' ``exclude``, anchored at this directory: the root.

        No ``.gitignore`` brings back what they exclude.
        """
        parsed = (parse_line(_encode(text), number) for number, text in enumerate(exclude, 1))
        rules = IgnoreList(tuple(pattern for pattern in parsed if pattern is not None))
        level = _Level(rules, b"settings", b"") if rules else None
        return IgnoreRules(self._levels, level, self._above, self._path)

    def descend(self, name: bytes, gitignore: bytes | None) -> "IgnoreRules":
        """The rules in the subdirectory ``name``, whose own ``.gitignore`` has this content."""
        levels = tuple([level.below(name) for level in self._levels])
        settings = self._settings.below(name) if self._settings else None
        path = b"" if self._above else self._path + name + b"/"
        return IgnoreRules(levels, settings, max(self._above - 1, 0), path).here(gitignore)

    def ignores(self, name: bytes, is_dir: bool) -> Disposition | None:
        """Why the entry ``name`` of this directory is ignored; ``None`` if it is not.

        A symbolic link is never a directory here, whatever it points to.
        """
        if self._settings is not None:
            match = self._settings.rules.last_match(name, self._settings.folder, is_dir)
            if match is not None and not match.negated:
                return Disposition(False, f"excluded by settings: {_decode(match.text)}")
        for level in self._levels:
            match = level.rules.last_match(name, level.folder, is_dir)
            if match is not None:
                return None if match.negated else Disposition(False, _ignored_by(level.source, match))
        return None


def _ignored_by(source: bytes, pattern: Pattern) -> str:
    return f"ignored by {_decode(source)}:{pattern.line}: {_decode(pattern.text)}"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
