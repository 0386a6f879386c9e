"""Where settings come from: files, the environment, options; and the table that shows what came of them."""

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from konivrer_watch.core.allowed import size_text
from konivrer_watch.core.settings import Layer, Resolved, Spelling, flat
from konivrer_watch.core.toml import parse_toml
from konivrer_watch.report.text import escape, path_text

PREFIX = "KONIVRER_WATCH_"
NOT_SETTINGS = frozenset({"KONIVRER_WATCH_STATE_DIR"})
"""Variables with our prefix that other parts of the command line read."""

NO_EFFECT_YET = frozenset(
    {
        "resource_check_interval",
        *("fix", "fix_min_age", "fix_quiet"),
        *("hook.new_only", "verify"),
    }
)
"""Keys of parts that are still to come."""

MAX_BYTES = 1 << 20
_TOOL = "konivrer-watch"
_END = re.compile(r"\(at end of document\)$")


class _UnusableError(Exception):
    """A file that is there and cannot be read as TOML; the message says where and why."""


def read_layers(root: Path, environ: Mapping[str, str], options: Mapping[str, object]) -> tuple[Layer, ...]:
    """Collect the layers of ``root``, lowest first; nothing is judged and nothing raised here.

    Files: ``[tool.konivrer-watch]`` of ``pyproject.toml``, then ``konivrer-watch.toml``, all of which is the
    table; where both set a key, the latter wins. They are taken from the root if it has either, else from
    the nearest folder above that does, no higher than git's top (the first folder with a ``.git``); a root
    outside git is alone. A file that cannot be read becomes a fault of its layer, so that ``resolve`` names
    it together with all others.

    ``options`` holds flat keys; those that are ``None`` were not given.
    """
    variables = {
        name: value for name, value in environ.items() if name.startswith(PREFIX) and name not in NOT_SETTINGS
    }
    given = {key: value for key, value in options.items() if value is not None}
    return (
        *_file_layers(root),
        Layer("environment", variables, Spelling.ENVIRONMENT),
        Layer("options", given, Spelling.OPTIONS),
    )


def render_config(resolved: Resolved, style: Literal["text", "json"], root: Path) -> str:
    """The effective settings with the origin of each, as an aligned table or as JSON; no line end behind."""
    values = flat(resolved.settings)
    if style == "json":
        settings = {key: {"value": value, "origin": resolved.origins[key]} for key, value in values.items()}
        shown = {"schema": 1, "root": path_text(bytes(root)), "settings": settings}
        return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
    values["memory_max"] = size_text(resolved.settings.memory_max)
    rows = [
        (
            f"{key}*" if key in NO_EFFECT_YET else key,
            "none" if value is None else msgspec.json.encode(value).decode(),
            resolved.origins[key],
        )
        for key, value in values.items()
    ]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [escape(f"{key:{first}}  {value:{min(second, 40)}}  {origin}") for key, value, origin in rows]
    return "\n".join([*lines, "* has no effect yet"])


def _file_layers(root: Path) -> tuple[Layer, ...]:
    for depth, folder in enumerate(_folders(root)):
        prefix = "../" * depth
        layers = (_pyproject(folder, prefix), _own_file(folder, prefix))
        if present := tuple(layer for layer in layers if layer):
            return present
    return ()


def _folders(root: Path) -> Iterator[Path]:
    """The root, and what lies above it up to git's top if there is one."""
    top = root.resolve()
    chain = (top, *top.parents)
    tops = (depth for depth, folder in enumerate(chain) if _exists(folder / ".git"))
    yield from chain[: next(tops, 0) + 1]


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _pyproject(folder: Path, prefix: str) -> Layer | None:
    """The layer of ``pyproject.toml``; ``None`` if it says nothing to us."""
    origin = f"{prefix}pyproject.toml"
    try:
        document = _read_toml(folder / "pyproject.toml")
    except _UnusableError as fault:
        return Layer(origin, {}, faults=(f"{origin}: {fault}",))
    tool = document.get("tool") if document else None
    if not isinstance(tool, dict) or _TOOL not in tool:
        return None
    table = tool[_TOOL]
    if not isinstance(table, dict):
        return Layer(origin, {}, faults=(f"{origin}: tool.{_TOOL}: must be a table",))
    return Layer(origin, table)


def _own_file(folder: Path, prefix: str) -> Layer | None:
    """The layer of ``konivrer-watch.toml``; ``None`` if there is no such file."""
    origin = f"{prefix}{_TOOL}.toml"
    try:
        document = _read_toml(folder / f"{_TOOL}.toml")
    except _UnusableError as fault:
        return Layer(origin, {}, faults=(f"{origin}: {fault}",))
    return None if document is None else Layer(origin, document)


def _read_toml(path: Path) -> dict[str, object] | None:
    """Read a whole file; ``None`` if there is none. Raises ``_UnusableError``."""
    data = _read_bytes(path)
    if data is None:
        return None
    try:
        return parse_toml(data.decode())
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise _UnusableError(f"line {line}: not UTF-8 text; save the file as UTF-8") from fault
    except RecursionError as fault:
        raise _UnusableError("not usable: tables or lists are nested too deeply") from fault
    except ValueError as fault:
        last = len(data.splitlines()) or 1
        reason = _END.sub(f"(at line {last}, the end of the file)", str(fault))
        raise _UnusableError(f"not valid TOML: {escape(reason)}") from fault


def _read_bytes(path: Path) -> bytes | None:
    """Read a regular file of bounded size; opening a pipe or device could wait for ever."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise _UnusableError(f"cannot be read: it is {kind}; rename or remove it")
        if found.st_size > MAX_BYTES:
            raise _UnusableError(f"cannot be read: it is larger than {size_text(MAX_BYTES)} bytes")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise _UnusableError(f"cannot be read: {fault.strerror}") from fault
