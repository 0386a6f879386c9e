"""Evidence: what was measured of rules, by implementation and x.y, and whether it passes each rule's own gate.

It is bound to a rule by the digest of what it measured; the machine is recorded for people and matched by nothing.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from konivrer_watch.passes.optimize.document import Document, Table, located
from konivrer_watch.passes.optimize.gate import Decision, Figures, Outcome, decide

_CPYTHON = "cpython"
_NAMES = {_CPYTHON: "CPython", "pypy": "PyPy"}


class Machine(Table, frozen=True):
    """Where it was measured."""

    system: str
    processor: str


class Measured(Table, frozen=True):
    """One rule's figures. ``digest`` is the document's at that time."""

    digest: str
    figures: Annotated[tuple[Figures, ...], msgspec.Meta(min_length=1)]


class Sheet(Table, frozen=True):
    """One file of evidence: everything measured on one interpreter of one machine. ``release`` is x.y.z."""

    schema: Literal[1]
    implementation: str
    release: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+")]
    machine: Machine
    rules: dict[str, Measured]

    @property
    def python(self) -> str:
        """The x.y that it counts for."""
        return ".".join(self.release.split(".")[:2])


class Evidence(msgspec.Struct, frozen=True):
    """All sheets that a pack holds."""

    sheets: tuple[Sheet, ...] = ()

    def pythons(self, implementation: str) -> tuple[str, ...]:
        """Return each x.y of an implementation that anything was measured on."""
        return tuple(
            sorted({sheet.python for sheet in self.sheets if sheet.implementation == implementation})
        )

    def decision(self, document: Document, implementation: str, python: str) -> tuple[Sheet, Decision] | None:
        """Return the last sheet that measured this very rule on this x.y, and its gate's word; or ``None``."""
        found: tuple[Sheet, Decision] | None = None
        for sheet in self.sheets:
            measured = sheet.rules.get(document.id)
            if (
                measured is None
                or document.benchmark is None
                or (sheet.implementation, sheet.python) != (implementation, python)
                or measured.digest != document.digest
                or {figure.name for figure in measured.figures}
                != {workload.name for workload in document.benchmark.workload}
            ):
                continue
            found = (sheet, decide(document.benchmark.gate, measured.figures))
        return found

    def line(self, document: Document, implementation: str, targets: Sequence[str]) -> str | None:
        """Return one line for the target whose worst figure is lowest, if every target has passing evidence."""
        passed: list[tuple[Sheet, Decision]] = []
        for python in targets:
            found = self.decision(document, implementation, python)
            if found is None or found[1].outcome is not Outcome.PASSED:
                return None
            passed.append(found)
        if not passed:
            return None
        sheet, decision = min(passed, key=lambda pair: min(figure.median for figure in pair[1].figures))
        worst = min(decision.figures, key=lambda figure: figure.median)
        best = max(decision.figures, key=lambda figure: figure.median)
        name = _NAMES.get(sheet.implementation, sheet.implementation)
        best_told = f"{best.median:.2f}\u00d7 ({best.name})"
        return f"measured {_told(worst)} to {best_told} on {name} {sheet.release}, CPU time"


def read_evidence(data: bytes) -> Sheet:
    """Read one file of evidence; ``ValueError`` names the key and the reason."""
    try:
        return msgspec.json.decode(data, type=Sheet)
    except msgspec.ValidationError as error:
        raise ValueError(located(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def write_evidence(sheet: Sheet) -> bytes:
    """Return a sheet as a file that people can read and compare."""
    return msgspec.json.format(msgspec.json.encode(sheet, order="sorted"), indent=1) + b"\n"


def _told(figure: Figures) -> str:
    change = "saved" if figure.saved >= 0 else "lost"
    return f"{figure.median:.2f}\u00d7 ({figure.name}, {_time(abs(figure.saved))} {change})"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds / 1e-9:.0f} ns"
