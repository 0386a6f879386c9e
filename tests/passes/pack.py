"""The shipped pack, and evidence as if it had been measured."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.evidence import Machine, Measured, Sheet, write_evidence
from konivrer_watch.passes.optimize.gate import Figures
from konivrer_watch.passes.optimize.rule import Rule, load_rules

RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
FOLDER = Path(__file__).parents[2] / "rules" / "optimize"
FILES: Mapping[str, bytes] = {file.name: file.read_bytes() for file in sorted(FOLDER.glob("*.toml"))}
LOADED = load_rules(FILES)
# Some rules are for newer Pythons only; what they say of code does not depend on the one that runs the tests.
NEWEST = "3.13"


def sheet(rules: Iterable[Rule], python: str = RUNNING, worst: float = 2.0, best: float = 3.0) -> bytes:
    """Return evidence for these rules: one workload at ``worst``, the others at ``best``."""
    measured = {
        rule.id: Measured(
            rule.document.digest,
            tuple(
                [
                    Figures(workload.name, best if index else worst, best if index else worst, 1.0, 1.5e-6)
                    for index, workload in enumerate(rule.document.benchmark.workload)
                ]
            ),
        )
        for rule in rules
        if rule.document.benchmark is not None
    }
    return write_evidence(Sheet(1, "cpython", f"{python}.1", Machine("test", "test"), measured))


def engine(rules: Iterable[Rule] = LOADED, settings: OptimizeSettings | None = None) -> OptimizeEngine:
    """Return an engine with these rules of the pack, for the newest Python, as if all had been measured there."""
    chosen = tuple(rules)
    files = {
        name: data for name, data in FILES.items() if name.partition("-")[0] in {rule.id for rule in chosen}
    }
    files["evidence.json"] = sheet(chosen, NEWEST)
    return OptimizeEngine(files, settings or OptimizeSettings(targets=(NEWEST,)))
