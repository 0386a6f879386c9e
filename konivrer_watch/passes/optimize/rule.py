"""Rules as data: a TOML file becomes a ``Rule``, or a ``ValueError`` naming file, key and reason."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.document import Document, Folklore, read_document, read_rejected
from konivrer_watch.passes.optimize.evidence import Evidence, read_evidence
from konivrer_watch.passes.optimize.pattern import Pattern, compile_pattern
from konivrer_watch.passes.optimize.predicates import Check, compile_predicate
from konivrer_watch.passes.optimize.template import Template, compile_template

REJECTED = "rejected.toml"
# What a repository brings along is told from what ships by the folder in its file's name.
FOREIGN = "konivrer-rules/"
_SHIPPED = "OPT"

_Made = TypeVar("_Made")


class Rule(msgspec.Struct, frozen=True):
    """A checked rule, ready to match. ``is_foreign``: it came with the repository and may only suggest."""

    document: Document
    patterns: tuple[Pattern, ...]
    checks: tuple[Check, ...]
    template: Template | None
    is_foreign: bool

    @property
    def id(self) -> str:
        """The finding's code."""
        return self.document.id

    @property
    def declared(self) -> Safety:
        """Who may apply its rewrite once there is evidence for it."""
        rewrite = self.document.rewrite
        return Safety.SUGGEST if rewrite is None or self.is_foreign else rewrite.safety

    def runs_on(self, version: tuple[int, int]) -> bool:
        """Tell whether the rule holds on this Python."""
        major, _, minor = self.document.python.removeprefix(">=").partition(".")
        return version >= (int(major), int(minor))


class Pack(msgspec.Struct, frozen=True):
    """Everything that the files of a pack hold."""

    rules: tuple[Rule, ...]
    evidence: Evidence
    rejected: tuple[Folklore, ...]


def load_rule(file: str, data: bytes) -> Rule:
    """Compile one rule file; ``ValueError`` names the file, the key and the reason."""
    document = _checked(file, "", lambda: read_document(data))
    is_foreign = file.startswith(FOREIGN)
    _checked(file, "id", lambda: _check_id(document.id, is_foreign))
    is_statement = document.match.kind == "statement"
    several = not isinstance(document.match.pattern, str)
    patterns: list[Pattern] = []
    for index, text in enumerate(document.match.patterns):
        key = f"match.pattern[{index}]" if several else "match.pattern"
        compiled = partial(compile_pattern, text, is_statement=is_statement)
        patterns.append(_checked(file, key, compiled))
    if not patterns:
        raise ValueError(f"{file}: match.pattern: is empty")
    ones = frozenset.intersection(*[pattern.ones for pattern in patterns])
    rests = frozenset.intersection(*[pattern.rests for pattern in patterns])
    checks: list[Check] = []
    for index, text in enumerate(document.match.where):
        check = partial(compile_predicate, text, ones | rests)
        checks.append(_checked(file, f"match.where[{index}]", check))
    template: Template | None = None
    if document.rewrite is not None:
        text = document.rewrite.template
        compile_text = partial(compile_template, text, ones, rests, is_statement=is_statement)
        template = _checked(file, "rewrite.template", compile_text)
    return Rule(document, tuple(patterns), tuple(checks), template, is_foreign)


def load_rules(files: Mapping[str, bytes]) -> tuple[Rule, ...]:
    """Compile every rule file, in the order of their ids; an id may be used once."""
    rules: dict[str, Rule] = {}
    owners: dict[str, str] = {}
    for file in sorted(files):
        if not file.endswith(".toml") or file == REJECTED:
            continue
        rule = load_rule(file, files[file])
        if rule.id in rules:
            raise ValueError(f"{file}: id: {rule.id} is already the id of {owners[rule.id]}")
        rules[rule.id], owners[rule.id] = rule, file
    return tuple([rules[code] for code in sorted(rules)])


def load_pack(files: Mapping[str, bytes]) -> Pack:
    """Read a pack: rules (``*.toml``), evidence (``*.json``) and folk-lore (``rejected.toml``).

    Of what a repository brings along only rules count, for it must not vouch for anything.
    """
    rejected: tuple[Folklore, ...] = ()
    if REJECTED in files:
        rejected = _checked(REJECTED, "", lambda: read_rejected(files[REJECTED]))
    sheets = {
        file: _checked(file, "", partial(read_evidence, data))
        for file, data in sorted(files.items())
        if file.endswith(".json") and not file.startswith(FOREIGN)
    }
    return Pack(load_rules(files), Evidence(tuple(sheets.values())), rejected)


def _check_id(code: str, is_foreign: bool) -> None:
    if code.startswith(_SHIPPED) and is_foreign:
        raise ValueError(f"{code} must not begin with {_SHIPPED}, as only shipped rules do")
    if not code.startswith(_SHIPPED) and not is_foreign:
        raise ValueError(f"{code} does not begin with {_SHIPPED}")


def _checked(file: str, key: str, make: Callable[[], _Made]) -> _Made:
    try:
        return make()
    except ValueError as error:
        raise ValueError(": ".join(part for part in (file, key, str(error)) if part)) from error
