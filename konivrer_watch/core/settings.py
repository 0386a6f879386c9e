"""Every setting, its default and its limits; layers of them become one value, or one list of every fault."""

import difflib
import reprlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Literal, get_args

import msgspec

from konivrer_watch.core.allowed import (
    Choice,
    Command,
    Flag,
    Kind,
    Number,
    Passes,
    Size,
    Texts,
    Whole,
    Workers,
)
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Pass

FixMode = Literal["off", "auto"]
SourceChoice = Literal["auto", "inotify", "watchfiles", "poll"]
FailOn = Literal["error", "warning", "note", "never"]

DEFAULT = "default"
_DAY = 86_400
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 60


class HookSettings(msgspec.Struct, frozen=True):
    """``[hook]``. ``new_only``: a commit is blocked only by what HEAD's version lacks."""

    new_only: bool = False


class OptimizeChoice(msgspec.Struct, frozen=True):
    """``[optimize]``: identifiers of rules, or their beginnings. An empty ``select`` means every rule."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True):
    """What a user can set. Names ending in ``_ms``, ``_kb``, ``_mb`` say their unit.

    Intervals and ages are seconds; thresholds are percent; ``cpu_quota`` is percent of one core;
    ``memory_max`` is bytes. ``verify`` is a command that must pass after a fix, and runs only where trusted.
    """

    passes: tuple[Pass, ...] = tuple(Pass)
    fix: FixMode = "off"
    exclude: tuple[str, ...] = ()
    debounce_ms: int = 50
    debounce_max_ms: int = 2000
    check_interval: float = 60.0
    resource_check_interval: float = 300.0
    resource_threshold: int = 80
    resource_resume: int = 60
    heal_interval: float = 3600.0
    pull: bool = True
    workers: int | Literal["auto"] = "auto"
    max_file_kb: int = 1024
    fix_min_age: float = 2.0
    fix_quiet: float = 60.0
    hook: HookSettings = HookSettings()
    optimize: OptimizeChoice = OptimizeChoice()
    source: SourceChoice = "auto"
    fail_on: FailOn = "warning"
    cpu_quota: int = 50
    memory_max: int = 512 << 20
    log_max_mb: int = 10
    log_keep: int = 5
    verify: str | None = None


KINDS: Mapping[str, Kind] = {
    "passes": Passes(),
    "fix": Choice(get_args(FixMode)),
    "exclude": Texts("gitignore patterns"),
    "debounce_ms": Whole(0, 60_000, "milliseconds"),
    "debounce_max_ms": Whole(0, 600_000, "milliseconds"),
    "check_interval": Number(1, _DAY, "seconds"),
    "resource_check_interval": Number(1, _DAY, "seconds"),
    "resource_threshold": Whole(1, 100, "percent"),
    "resource_resume": Whole(1, 100, "percent"),
    "heal_interval": Number(1, 7 * _DAY, "seconds"),
    "pull": Flag(),
    "workers": Workers(256),
    "max_file_kb": Whole(1, 102_400, "kilobytes"),
    "fix_min_age": Number(0, 3600, "seconds"),
    "fix_quiet": Number(0, _DAY, "seconds"),
    "hook.new_only": Flag(),
    "optimize.select": Texts("rules"),
    "optimize.ignore": Texts("rules"),
    "optimize.opt_in": Texts("rules"),
    "source": Choice(get_args(SourceChoice)),
    "fail_on": Choice(get_args(FailOn)),
    "cpu_quota": Whole(1, 10_000, "percent of one core"),
    "memory_max": Size(64 << 20, 1 << 40),
    "log_max_mb": Whole(1, 10_240, "megabytes"),
    "log_keep": Whole(1, 1000, "files"),
    "verify": Command(),
}
_TABLES = frozenset(key.partition(".")[0] for key in KINDS if "." in key)


class Spelling(StrEnum):
    """How a layer writes names and values."""

    TOML = "toml"
    """Keys, possibly in tables, and typed values."""

    ENVIRONMENT = "environment"
    """``KONIVRER_WATCH_…`` names, and text: lists comma separated, booleans true/false, yes/no, 1/0."""

    OPTIONS = "options"
    """Keys (``hook.new_only``), and values either typed or as text."""


class Layer(msgspec.Struct, frozen=True):
    """Settings from one place. ``faults`` are whole sentences found while reading that place."""

    origin: str
    values: Mapping[str, object]
    spelling: Spelling = Spelling.TOML
    faults: tuple[str, ...] = ()


class Resolved(msgspec.Struct, frozen=True):
    """The effective settings, and for each flat key the origin of its value or ``"default"``."""

    settings: Settings
    origins: Mapping[str, str]


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Put layers on each other, the last on top.

    A default gives way to a set value that it must agree with: with ``resource_threshold = 40`` alone, work
    resumes at 30, and ``debounce_max_ms`` follows a longer ``debounce_ms``.

    Raises ``UsageFault`` whose message has one line for every fault of every layer.
    """
    faults: list[str] = []
    faulty: set[str] = set()
    values: dict[str, object] = {}
    origins = dict.fromkeys(KINDS, DEFAULT)
    for layer in layers:
        faults += layer.faults
        in_environment = layer.spelling is Spelling.ENVIRONMENT
        keys = {variable(key) if in_environment else key: key for key in KINDS}
        for name, value in _flat_items(layer):
            key = keys.get(name)
            reason = _unknown(name, keys) if key is None else None
            if key is not None:
                kind = KINDS[key]
                is_text = isinstance(value, str) and layer.spelling is not Spelling.TOML
                try:
                    values[key] = kind.read(kind.from_text(str(value)) if is_text else value)
                    origins[key] = layer.origin
                except ValueError:
                    faulty.add(key)
                    reason = f"must be {kind.allowed}, not {_shown(value)}"
            if reason:
                faults.append(f"{layer.origin}: {_shown_name(name)}: {reason}")
    settings = _fitted(_built(values), values)
    faults += _contradictions(settings, origins, faulty)
    if faults:
        raise UsageFault("\n".join(faults))
    return Resolved(settings, origins)


def variable(key: str) -> str:
    """The environment variable of a flat key."""
    return "KONIVRER_WATCH_" + key.replace(".", "_").upper()


def flat(settings: Settings) -> dict[str, object]:
    """Each flat key with a value that JSON can hold and ``resolve`` takes back, in the order of the table."""
    tree = msgspec.to_builtins(settings)
    values = {}
    for key in KINDS:
        table, _, name = key.rpartition(".")
        value = (tree[table] if table else tree)[name]
        values[key] = int(value) if isinstance(value, float) and value.is_integer() else value
    return values


def _flat_items(layer: Layer) -> Iterator[tuple[str, object]]:
    for name, value in layer.values.items():
        if name in _TABLES and isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", item) for inner, item in value.items())
        else:
            yield name, value


def _unknown(name: str, known: Collection[str]) -> str:
    if name in _TABLES:
        inner = ", ".join(key.partition(".")[2] for key in KINDS if key.startswith(f"{name}."))
        return f"must be a table with any of {inner}"
    # A cutoff of 0 always finds one; the slice bounds the search in a name of a megabyte.
    nearest = difflib.get_close_matches(name[:80], known, n=1, cutoff=0.0)
    return f"is not a setting; the nearest is {nearest[0]}"


def _built(values: Mapping[str, object]) -> Settings:
    tree: dict[str, object] = {key: value for key, value in values.items() if "." not in key}
    for table in _TABLES:
        tree[table] = {key.partition(".")[2]: values[key] for key in values if key.startswith(f"{table}.")}
    return msgspec.convert(tree, Settings)


def _fitted(settings: Settings, given: Collection[str]) -> Settings:
    """Let a default of an ordered pair follow its partner, where only the partner was set."""
    quiet, cap = settings.debounce_ms, settings.debounce_max_ms
    resume = settings.resource_resume
    if "debounce_ms" not in given:
        quiet = min(quiet, cap)
    elif "debounce_max_ms" not in given:
        cap = max(quiet, cap)
    if "resource_resume" not in given:
        resume = min(resume, max(1, settings.resource_threshold * 3 // 4))
    return msgspec.structs.replace(settings, debounce_ms=quiet, debounce_max_ms=cap, resource_resume=resume)


def _contradictions(settings: Settings, origins: Mapping[str, str], faulty: Collection[str]) -> Iterator[str]:
    pairs = (("debounce_ms", "debounce_max_ms"), ("resource_resume", "resource_threshold"))
    for low, high in pairs:
        least, most = getattr(settings, low), getattr(settings, high)
        if least > most and low not in faulty and high not in faulty:
            yield f"{origins[low]}: {low}: must be at most {high} ({most}, {origins[high]}), not {least}"


def _shown_name(name: str) -> str:
    is_plain = name.isprintable() and len(name) <= 80
    return (name if is_plain else _SHOWN.repr(name)[1:-1]) or "''"


def _shown(value: object) -> str:
    try:
        return _SHOWN.repr(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return "a value of that size"
