"""One ruff settings file as ruff reads it: its options, and the Python version it asks for.

Source: ``crates/ruff_workspace/src/pyproject.rs`` and ``configuration.rs`` of astral-sh/ruff.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence

import msgspec

from konivrer_watch.core.toml import parse_toml

# ruff's ``PythonVersion``; another minimum is as good as none.
_KNOWN_MINORS = range(7, 16)
_RELEASE = r"v?(?:\d+!)?\d+(?:\.\d+)*"
# Three at most, as PEP 440 has them (pre, post, dev): "rcrc…" can be read in so many ways that without a bound a
# repository could keep us busy for ever.
_SUFFIX = (
    r"(?:[-_.]?(?:alpha|beta|preview|pre|post|rev|dev|rc|a|b|c|r)[-_.]?\d*|-\d+){0,3}(?:\+[a-z0-9._-]+)?"
)
_SPECIFIER = re.compile(
    rf"\s*(?:(===?|~=|!=|<=|>=|<|>)\s*({_RELEASE}){_SUFFIX}(?:\.\*)?)\s*", re.IGNORECASE | re.ASCII
)
_MINIMUMS = frozenset({"==", "===", "~=", ">", ">="})
_TOML_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|\s+|.',
    re.DOTALL,
)
_VARIABLE = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::-([^}]*))?\})", re.ASCII)


class SettingsFile(msgspec.Struct, frozen=True):
    """A file ruff would look into.

    ``options`` is ruff's table, ``None`` where the file has none and ruff looks further up.
    ``minimum`` is the version ``requires-python`` stands for, as ruff writes it (``py311``).
    ``problem`` says why we could not read it; ``options`` is empty then, and ``content`` still
    changes with the file, so that ruff itself is asked and answers.
    """

    path: bytes
    content: bytes
    options: Mapping[str, object] | None
    minimum: str | None = None
    problem: str | None = None

    @property
    def target_version(self) -> str | None:
        """The version this file settles by itself, its ``target-version`` first."""
        named = (self.options or {}).get("target-version")
        return named if isinstance(named, str) else self.minimum

    @property
    def extend(self) -> str | None:
        """The file this one builds upon, as written."""
        target = (self.options or {}).get("extend")
        return target if isinstance(target, str) else None

    def texts(self, key: str) -> Sequence[str] | None:
        """Return a list of strings among the options, ``None`` where it is not given."""
        values = (self.options or {}).get(key)
        return [str(value) for value in values] if isinstance(values, list) else None

    @property
    def preview(self) -> bool:
        """Whether this file turns preview on, for everything or for the linter."""
        return bool((self.options or {}).get("preview") or self._lint.get("preview"))

    @property
    def excludes_from_lint(self) -> bool:
        """Whether ``lint.exclude`` is set: files that are listed and yet not judged."""
        return bool(self._lint.get("exclude"))

    @property
    def names_files(self) -> bool:
        """Whether this file says which files ruff judges, or in which language another ending is written."""
        return any((self.options or {}).get(key) for key in ("include", "extend-include", "extension"))

    @property
    def _lint(self) -> Mapping[str, object]:
        lint = (self.options or {}).get("lint")
        return lint if isinstance(lint, dict) else {}


def read_settings_file(path: bytes, data: bytes) -> SettingsFile:
    """Read a ``ruff.toml``, ``.ruff.toml`` or ``pyproject.toml``; a fault becomes ``problem``."""
    try:
        document = _read_toml(data.decode())
    except (ValueError, RecursionError) as error:
        return _faulty(path, data, str(error) or "nested too deeply")
    if not path.endswith(b"/pyproject.toml"):
        return SettingsFile(path, canonical(document), document)
    project, tool = document.get("project", {}), document.get("tool", {})
    if not isinstance(project, dict) or not isinstance(tool, dict):
        return _faulty(path, data, "'project' and 'tool' must be tables")
    options = tool.get("ruff")
    if options is not None and not isinstance(options, dict):
        return _faulty(path, data, "'tool.ruff' must be a table")
    requires = project.get("requires-python", project.get("requires_python"))
    try:
        minimum = minimum_version(requires) if requires is not None else None
    except ValueError as error:
        return _faulty(path, data, f"project.requires-python: {error}")
    return SettingsFile(path, canonical([options, requires]), options, minimum)


def minimum_version(requires: object) -> str | None:
    """Return the version ruff takes from a ``requires-python``, ``None`` if it names no known one.

    :raises ValueError: it is no PEP 440 specifier, which ruff refuses.
    """
    if not isinstance(requires, str):
        raise ValueError("it must be a string")
    lowest: list[tuple[int, int]] = []
    for part in filter(str.strip, requires.split(",")):
        specifier = _SPECIFIER.fullmatch(part)
        if specifier is None:
            raise ValueError(f"{part.strip()!r} is no version specifier")
        release = specifier[2].rpartition("!")[2].lstrip("vV").split(".")
        if specifier[1] == "~=" and len(release) == 1:
            raise ValueError(f"{part.strip()!r} needs two numbers")
        if specifier[1] in _MINIMUMS and len(release) > 1:
            lowest.append((int(release[0]), int(release[1])))
    if not lowest:
        return None
    major, minor = min(lowest)
    return f"py{major}{minor}" if major == 3 and minor in _KNOWN_MINORS else None


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Expand ``~``, ``$NAME`` and ``${NAME:-default}`` as ruff does.

    :raises ValueError: a variable is not set, which ruff refuses.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        if name in environment:
            return environment[name]
        if found[3] is None:
            raise ValueError(f"the environment variable {name} is not set")
        return found[3]

    home = environment.get("HOME")
    if home and (text == "~" or text.startswith("~/")):
        return home + _VARIABLE.sub(value, text[1:])
    return _VARIABLE.sub(value, text)


def user_level_files(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return where ruff looks for settings of the user, first found wins (``find_user_settings_toml``)."""
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):
        if not environment.get("HOME"):
            return ()
        folder = environment["HOME"] + "/.config"
    names = (".ruff.toml", "ruff.toml", "pyproject.toml")
    return tuple([f"{folder}/ruff/{name}".encode(errors="surrogateescape") for name in names])


def canonical(value: object) -> bytes:
    """Return bytes that are equal exactly for equal TOML values, whatever their layout."""
    return msgspec.json.encode(value, order="deterministic")


def _read_toml(text: str) -> dict[str, object]:
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        try:
            return parse_toml(_one_line_tables(text))
        except tomllib.TOMLDecodeError:
            raise error from None


def _one_line_tables(text: str) -> str:
    """Join inline tables written over several lines: TOML 1.1, which ruff reads and ``tomllib`` does not."""
    open_brackets: list[str] = []
    joined: list[str] = []
    for token in _TOML_TOKEN.findall(text):
        inside = open_brackets[-1:] == ["{"]
        if token in {"{", "["}:
            open_brackets.append(token)
        elif token in {"}", "]"}:
            while inside and joined[-1] in {" ", ","}:
                joined.pop()
            del open_brackets[-1:]
        elif inside and (token.isspace() or token.startswith("#")):
            token = " "
        joined.append(token)
    return "".join(joined)


def _faulty(path: bytes, data: bytes, reason: str) -> SettingsFile:
    where = path.decode(errors="backslashreplace")
    return SettingsFile(path, data, {}, problem=f"{where}: {reason}")
