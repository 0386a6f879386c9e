"""What there is to say of each rule without running anything: for ``rules list`` and ``rules show``."""

from collections.abc import Mapping

import msgspec

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.document import Document, Folklore
from konivrer_watch.passes.optimize.engine import OptimizeEngine
from konivrer_watch.passes.optimize.gate import Decision
from konivrer_watch.passes.optimize.rule import Pack, Rule


class Entry(msgspec.Struct, frozen=True):
    """One rule in a list. ``evidence`` is its line, where it has passing evidence for every target."""

    id: str
    name: str
    safety: Safety
    declared_safety: Safety
    evidence: str | None


class Description(msgspec.Struct, frozen=True):
    """One rule in full. ``decisions`` are the gate's, by implementation and x.y, as in ``cpython 3.12``."""

    entry: Entry
    document: Document
    decisions: Mapping[str, Decision]


def catalogue(engine: OptimizeEngine) -> tuple[Entry, ...]:
    """Return every loaded rule in the order of ids."""
    return tuple([_entry(engine, rule) for rule in engine.rules])


def describe(engine: OptimizeEngine, wanted: str) -> Description | None:
    """Return the rule of this id or name."""
    rule = next((rule for rule in engine.rules if wanted in {rule.id, rule.document.name}), None)
    if rule is None:
        return None
    decisions: dict[str, Decision] = {}
    for sheet in engine.pack.evidence.sheets:
        found = engine.pack.evidence.decision(rule.document, sheet.implementation, sheet.python)
        if found is not None:
            decisions[f"{sheet.implementation} {sheet.python}"] = found[1]
    return Description(_entry(engine, rule), rule.document, decisions)


def folklore(pack: Pack, wanted: str) -> tuple[Folklore, ...]:
    """Return the advice that is not given under this name, or that this ruff code gives."""
    return tuple(
        [
            entry
            for entry in pack.rejected
            if wanted == entry.name or any(wanted.startswith(code) for code in entry.ruff)
        ]
    )


def _entry(engine: OptimizeEngine, rule: Rule) -> Entry:
    return Entry(rule.id, rule.document.name, engine.safety_of(rule), rule.declared, engine.evidence_of(rule))
