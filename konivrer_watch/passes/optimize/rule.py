"""Rules as data: a TOML file becomes a ``Rule``, or a ``ValueError`` naming file, key and reason."""

import ast
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal, TypeVar

import msgspec

from konivrer_watch.core.model import Safety
from konivrer_watch.core.toml import parse_toml
from konivrer_watch.passes.optimize.pattern import Pattern, compile_pattern, render_names
from konivrer_watch.passes.optimize.predicates import Check, compile_predicate

SLOT = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:\.([a-z]+))?\}")

_Text = Annotated[str, msgspec.Meta(min_length=1)]
# Short enough that neither parsing nor matching it can exhaust the stack.
_Code = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Ratio = Annotated[float, msgspec.Meta(gt=0)]
_Version = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+$")]
_Made = TypeVar("_Made")


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Match(_Table, frozen=True):
    """``[match]``: the shape, and what must hold of its parts."""

    pattern: _Code
    where: tuple[_Text, ...] = ()


class Rewrite(_Table, frozen=True):
    """``[rewrite]``: the new text, who may apply it, and where it is known to behave differently."""

    template: _Code
    safety: Safety
    divergence: str = ""


class Rewritten(_Table, frozen=True):
    """``[[examples.match]]``: the rule turns ``before`` into exactly ``after``."""

    before: _Text
    after: _Text


class Explained(_Table, frozen=True):
    """``[[examples.skip]]`` and ``[[examples.refuse]]``: code, and why the rule leaves it alone."""

    code: _Text
    because: _Text


class Examples(_Table, frozen=True):
    """``[examples]``: the rule's own tests."""

    match: Annotated[tuple[Rewritten, ...], msgspec.Meta(min_length=1)]
    skip: Annotated[tuple[Explained, ...], msgspec.Meta(min_length=1)]
    refuse: tuple[Explained, ...] = ()


class Equivalence(_Table, frozen=True):
    """``[equivalence]``: two programs that must behave alike; run only on request."""

    before: _Text
    after: _Text
    given: dict[str, str]
    max_examples: Annotated[int, msgspec.Meta(ge=1)] = 1500


class Ratios(_Table, frozen=True):
    """Worst and best speed-up: a gate to pass, or a measurement."""

    worst: _Ratio
    best: _Ratio


class Workload(_Table, frozen=True):
    """``[[benchmark.workload]]``: two programs to time; run only on request."""

    name: _Text
    before: _Text
    after: _Text
    setup: str = ""


class Benchmark(_Table, frozen=True):
    """``[benchmark]``: the gate and what is timed; always nothing, a little and a lot."""

    gate: Ratios
    workload: Annotated[tuple[Workload, ...], msgspec.Meta(min_length=3)]


class Document(_Table, frozen=True, rename={"class_": "class"}):
    """A whole rule file."""

    schema: Literal[1]
    id: Annotated[str, msgspec.Meta(pattern=r"^OPT[0-9]{3}$")]
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: _Text
    why: _Text
    class_: Literal["constant", "algorithmic", "io", "import", "memory"]
    python: Annotated[str, msgspec.Meta(pattern=r"^>=\d+\.\d+$")]
    match: Match
    examples: Examples
    rewrite: Rewrite | None = None
    equivalence: Equivalence | None = None
    benchmark: Benchmark | None = None
    ruff: tuple[_Text, ...] = ()
    conflicts: tuple[_Text, ...] = ()
    evidence: dict[_Version, Ratios] = {}


class Rule(msgspec.Struct, frozen=True):
    """A checked rule, ready to match."""

    document: Document
    pattern: Pattern
    checks: tuple[Check, ...]

    @property
    def id(self) -> str:
        """The finding's code."""
        return self.document.id

    def runs_on(self, version: tuple[int, int]) -> bool:
        """Tell whether the rule holds on this Python."""
        major, _, minor = self.document.python.removeprefix(">=").partition(".")
        return version >= (int(major), int(minor))

    def passing_evidence(self, python: str) -> Ratios | None:
        """Return what was measured on this CPython (``"3.11"``), if it passes the rule's own gate."""
        measured = self.document.evidence.get(python)
        benchmark = self.document.benchmark
        if measured is None or benchmark is None:
            return None
        passes = measured.worst >= benchmark.gate.worst and measured.best >= benchmark.gate.best
        return measured if passes else None


def load_rule(file: str, data: bytes) -> Rule:
    """Compile one rule file; ``ValueError`` names the file, the key and the reason."""
    document = _checked(file, "", lambda: _read(data))
    pattern = _checked(file, "match.pattern", lambda: compile_pattern(document.match.pattern))
    checks: list[Check] = []
    for index, text in enumerate(document.match.where):
        compiled = partial(compile_predicate, text, pattern.metavariables)
        checks.append(_checked(file, f"match.where[{index}]", compiled))
    if document.rewrite is not None:
        check = partial(_check_template, document.rewrite.template, pattern)
        _checked(file, "rewrite.template", check)
    return Rule(document, pattern, tuple(checks))


def load_rules(files: Mapping[str, bytes]) -> tuple[Rule, ...]:
    """Compile every rule file, in the order of their ids; an id may be used once."""
    rules: dict[str, Rule] = {}
    owners: dict[str, str] = {}
    for file in sorted(files):
        rule = load_rule(file, files[file])
        if rule.id in rules:
            raise ValueError(f"{file}: id: {rule.id} is already the id of {owners[rule.id]}")
        rules[rule.id], owners[rule.id] = rule, file
    return tuple([rules[code] for code in sorted(rules)])


def _read(data: bytes) -> Document:
    try:
        return msgspec.convert(parse_toml(data.decode()), Document)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        raise ValueError(f"{where.rstrip('`')}: {reason}" if where else reason) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _check_template(template: str, pattern: Pattern) -> None:
    for name, part in SLOT.findall(template):
        if name not in pattern.metavariables:
            raise ValueError(f"unknown metavariable {name!r}")
        if part not in {"", "inner"}:
            raise ValueError(f"unknown part {part!r} of {name}")
    names = render_names(pattern.metavariables)

    def stand_in(slot: re.Match[str]) -> str:
        name = names[slot[1]]
        return f"{name} for {name} in {name}" if slot[2] else name

    rendered = SLOT.sub(stand_in, template)
    if "$" in rendered:
        raise ValueError("a '$' outside '${NAME}'")
    try:
        ast.parse(rendered, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"not a Python expression: {error.msg}") from error


def _checked(file: str, key: str, make: Callable[[], _Made]) -> _Made:
    try:
        return make()
    except ValueError as error:
        raise ValueError(": ".join(part for part in (file, key, str(error)) if part)) from error
