"""The child process that executes rule code: equivalence and benchmarks of the rules that ship with us.

It is started as ``python -I -m konivrer_watch.daemon.rule_child`` in ``/``, on request only, and ends when its standard
input does. A rule that came with a repository is refused.
"""

import contextlib
from collections.abc import Iterator

from konivrer_watch.daemon.line import Line
from konivrer_watch.daemon.rule_bench import clock_for, measure
from konivrer_watch.daemon.rule_frames import BenchRule, Timed, Verified, VerifyRule, decode_request, encode
from konivrer_watch.passes.optimize.document import Equivalence
from konivrer_watch.passes.optimize.promises import broken_promises
from konivrer_watch.passes.optimize.rule import load_rule

NEEDS_HYPOTHESIS = "verifying rules needs hypothesis: install it with 'pip install konivrer-watch[rules]'"
_FOREIGN = "a rule of the repository's is never executed"


def verify(request: VerifyRule) -> Verified:
    """Check examples, idempotence and equivalence of one rule."""
    try:
        rule = load_rule(request.file, request.data)
        if rule.is_foreign:
            return Verified((_FOREIGN,))
        faults = list(broken_promises(request.file, request.data))
        if rule.document.rewrite is not None:
            faults += _refuted(rule.document.equivalence, request.max_examples)
    except ValueError as error:
        return Verified((str(error),))
    return Verified(tuple(faults))


def _refuted(equivalence: Equivalence | None, max_examples: int | None) -> Iterator[str]:
    if equivalence is None:
        yield "equivalence: is missing, though there is a rewrite"
        return
    try:
        from konivrer_watch.daemon.rule_equivalence import refute
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        yield NEEDS_HYPOTHESIS
        return
    refutation = refute(equivalence, max_examples)
    if refutation is not None:
        yield (
            f"equivalence: refuted by {refutation.inputs}: {refutation.differs} {refutation.before} "
            f"becomes {refutation.after}"
        )


def bench(request: BenchRule) -> Timed:
    """Time one rule's workloads."""
    try:
        rule = load_rule(request.file, request.data)
        document = rule.document
        if rule.is_foreign or document.benchmark is None:
            return Timed(problem=_FOREIGN if rule.is_foreign else "it has no benchmark")
        clock = clock_for(document)
        pairs = [
            measure(workload, request.rounds, request.seconds, clock)
            for workload in document.benchmark.workload
        ]
    except ValueError as error:
        return Timed(problem=str(error))
    except ModuleNotFoundError as error:
        return Timed(problem=f"{error.name} is not installed")
    return Timed(document.digest, tuple(pairs))


def main() -> None:
    """Answer frames until standard input ends."""
    line = Line()
    with contextlib.suppress(KeyboardInterrupt):
        while (body := line.receive()) is not None:
            request = decode_request(body)
            line.send(encode(verify(request) if isinstance(request, VerifyRule) else bench(request)))


if __name__ == "__main__":
    main()
