"""Whether a rule does what its own file says: examples, idempotence, and that its programs are its own rewrites."""

from collections.abc import Iterator, Mapping

from konivrer_watch.core.model import Finding, Safety
from konivrer_watch.passes.optimize.edits import apply_edits
from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.rewriting import rewrite
from konivrer_watch.passes.optimize.rule import Rule, load_rule
from konivrer_watch.passes.optimize.source import Source


def broken_promises(file: str, data: bytes) -> tuple[str, ...]:
    """Return each promise of a rule file that the rule breaks, in words; ``ValueError`` where it is no rule."""
    rule = load_rule(file, data)
    # What the rule says of code holds for the Python it is for, whichever runs the check.
    target = rule.document.python.removeprefix(">=")
    engine = OptimizeEngine({file: data}, OptimizeSettings(targets=(target,)))
    return tuple(_broken(rule, engine))


def _broken(rule: Rule, engine: OptimizeEngine) -> Iterator[str]:
    document = rule.document
    for index, example in enumerate(document.examples.match):
        yield from _rewritten(rule, engine, f"examples.match[{index}]", example.before, example.after)
    for index, skipped in enumerate(document.examples.skip):
        if _findings(engine, skipped.code):
            yield f"examples.skip[{index}]: is found, although {skipped.because}"
    for index, refused in enumerate(document.examples.refuse):
        found = _findings(engine, refused.code)
        if not found or any(finding.fix is not None for finding in found):
            yield f"examples.refuse[{index}]: is {'rewritten' if found else 'not found'}, although {refused.because}"
    for name, (before, after) in _programs(rule).items():
        yield from _rewritten(rule, engine, name, before, after)


def _programs(rule: Rule) -> Mapping[str, tuple[str, str]]:
    document = rule.document
    programs: dict[str, tuple[str, str]] = {}
    if document.equivalence is not None:
        programs["equivalence"] = (document.equivalence.before, document.equivalence.after)
    for index, workload in enumerate(document.benchmark.workload if document.benchmark else ()):
        programs[f"benchmark.workload[{index}]"] = (workload.before, workload.after)
    return programs


def _rewritten(rule: Rule, engine: OptimizeEngine, name: str, before: str, after: str) -> Iterator[str]:
    found = _findings(engine, before)
    if not found:
        yield f"{name}: before is not found"
    if _findings(engine, after):
        yield f"{name}: after is found again"
    if rule.template is None or not found:
        return
    edits = [edit for finding in found if finding.fix is not None for edit in finding.fix.edits]
    once = apply_edits(Source(before), edits)[0]
    if once != after:
        yield f"{name}: before becomes {once!r}, not after"
    done = rewrite(engine, before.encode(), tuple(Safety))
    if done.refusal is not None:
        yield f"{name}: {done.refusal}"


def _findings(engine: OptimizeEngine, code: str) -> tuple[Finding, ...]:
    return engine.judge(code.encode()).findings
