"""A rule file's tables as values, and reading them. What the code in them means is ``rule``'s business."""

from hashlib import sha256
from typing import Annotated, Literal, TypeVar

import msgspec

from konivrer_watch.core.model import Safety
from konivrer_watch.core.toml import parse_toml

_Text = Annotated[str, msgspec.Meta(min_length=1)]
# Short enough that neither parsing nor matching it can exhaust the stack.
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Made = TypeVar("_Made")
_Ratio = Annotated[float, msgspec.Meta(gt=0)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table in which every key is known."""


class Match(Table, frozen=True):
    """``[match]``: the shape or its alternatives, and what must hold of the parts."""

    pattern: Code | tuple[Code, ...]
    where: tuple[_Text, ...] = ()
    kind: Literal["expression", "statement"] = "expression"

    @property
    def patterns(self) -> tuple[str, ...]:
        """The alternatives."""
        return (self.pattern,) if isinstance(self.pattern, str) else self.pattern


class Rewrite(Table, frozen=True):
    """``[rewrite]``: the new text, who may apply it, and where it is known to behave differently."""

    template: Code
    safety: Safety
    divergence: str = ""


class Rewritten(Table, frozen=True):
    """``[[examples.match]]``: the rule turns ``before`` into ``after``, or advises to, where it rewrites nothing."""

    before: _Text
    after: _Text


class Explained(Table, frozen=True):
    """``[[examples.skip]]`` and ``[[examples.refuse]]``: code, and why the rule leaves it alone."""

    code: _Text
    because: _Text


class Examples(Table, frozen=True):
    """``[examples]``: the rule's own tests."""

    match: Annotated[tuple[Rewritten, ...], msgspec.Meta(min_length=1)]
    skip: Annotated[tuple[Explained, ...], msgspec.Meta(min_length=1)]
    refuse: tuple[Explained, ...] = ()


class Equivalence(Table, frozen=True):
    """``[equivalence]``: two programs that must behave alike; run only on request.

    ``given`` maps each free name to what it is drawn from; ``daemon/rule_recipes`` has the list.
    """

    before: _Text
    after: _Text
    given: dict[str, str]
    max_examples: Annotated[int, msgspec.Meta(ge=1)] = 1500


class Gate(Table, frozen=True):
    """What a measurement has to reach: the worst workload's median and the best one's 10th percentile."""

    worst: _Ratio
    best: _Ratio


class Workload(Table, frozen=True):
    """``[[benchmark.workload]]``: two programs to time; run only on request."""

    name: _Text
    before: _Text
    after: _Text
    setup: str = ""


class Benchmark(Table, frozen=True):
    """``[benchmark]``: the gate and what is timed; always nothing, a little and a lot."""

    gate: Gate
    workload: Annotated[tuple[Workload, ...], msgspec.Meta(min_length=3)]


class Document(Table, frozen=True, rename={"class_": "class"}):
    """A whole rule file. ``blocked`` says why a suggestion is left to people."""

    schema: Literal[1]
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2,8}[0-9]{3}$")]
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
    blocked: str = ""
    ruff: tuple[_Text, ...] = ()
    conflicts: tuple[_Text, ...] = ()

    @property
    def digest(self) -> str:
        """What evidence is bound to: the match, the rewrite and the benchmark, not the words around them."""
        template = self.rewrite.template if self.rewrite is not None else None
        return sha256(msgspec.json.encode((self.match, template, self.benchmark))).hexdigest()[:16]


class Folklore(Table, frozen=True):
    """Advice that was measured and is not given: why, and the speed-up (below 1 is slower) as worst and best."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    advice: _Text
    because: _Text
    worst: _Ratio | None = None
    best: _Ratio | None = None
    ruff: tuple[_Text, ...] = ()


class Rejected(Table, frozen=True):
    """``rejected.toml``: the folk-lore."""

    schema: Literal[1]
    rejected: tuple[Folklore, ...]


def read_document(data: bytes) -> Document:
    """Read one rule file; ``ValueError`` names the key and the reason."""
    return _read(data, Document)


def read_rejected(data: bytes) -> tuple[Folklore, ...]:
    """Read the folk-lore; ``ValueError`` names the key and the reason. A name may be used once."""
    rejected = _read(data, Rejected).rejected
    names = [entry.name for entry in rejected]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"rejected: {name!r} stands there twice")
    return rejected


def _read(data: bytes, kind: type[_Made]) -> _Made:
    try:
        return msgspec.convert(parse_toml(data.decode()), kind)
    except msgspec.ValidationError as error:
        raise ValueError(located(error)) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def located(error: msgspec.ValidationError) -> str:
    """Return msgspec's words with the key first."""
    reason, _, where = str(error).partition(" - at `$.")
    return f"{where.rstrip('`')}: {reason}" if where else reason
