"""Has the rules that ship with us proven and timed, each in a child process. Nothing of a repository is executed."""

import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import anyio
import msgspec

from konivrer_watch.core.errors import JobError
from konivrer_watch.daemon.rule_frames import BenchRule, Timed, Verified, VerifyRule, decode_answer, encode
from konivrer_watch.passes.optimize.evidence import Machine, Measured, Sheet
from konivrer_watch.passes.optimize.gate import Decision, Outcome, decide, summarise
from konivrer_watch.passes.optimize.rule import Rule, load_rule
from konivrer_watch.system.workers import Workers, open_workers

_MODULE = "konivrer_watch.daemon.rule_child"
_DEADLINE = 600.0

Files: TypeAlias = Mapping[str, bytes]


class Proof(msgspec.Struct, frozen=True):
    """What came of verifying one rule: ``faults`` is empty where it keeps all its promises."""

    code: str
    faults: tuple[str, ...]


class Trial(msgspec.Struct, frozen=True):
    """What came of timing one rule; ``digest`` is what evidence of it is bound to."""

    code: str
    digest: str
    decision: Decision


async def verify_rules(
    files: Files, workers: int, listen: Callable[[Proof], None], max_examples: int | None = None
) -> tuple[Proof, ...]:
    """Verify rule files, some at a time, and tell each result as it comes. Results are in the order of ids."""
    proofs: dict[str, Proof] = {}

    async def verify(pool: Workers, file: str, data: bytes) -> None:
        code = load_rule(file, data).id
        answer = await _ask(pool, VerifyRule(file, data, max_examples))
        faults = answer.faults if isinstance(answer, Verified) else (str(answer),)
        proofs[code] = Proof(code, faults)
        listen(proofs[code])

    async with open_workers(_MODULE, workers, _DEADLINE) as pool, anyio.create_task_group() as group:
        for file, data in files.items():
            group.start_soon(verify, pool, file, data)
    return tuple([proofs[code] for code in sorted(proofs)])


async def bench_rules(
    files: Files, listen: Callable[[Trial], None], rounds: int = 15, seconds: float = 0.002
) -> tuple[Trial, ...]:
    """Time rule files, one after another, for they must not disturb each other; tell each result as it comes."""
    trials: list[Trial] = []
    async with open_workers(_MODULE, 1, _DEADLINE) as pool:
        for file, data in files.items():
            rule = load_rule(file, data)
            answer: Verified | Timed | str = f"it is for Python {rule.document.python}"
            if rule.runs_on(sys.version_info[:2]):
                answer = await _ask(pool, BenchRule(file, data, rounds, seconds))
            trials.append(Trial(rule.id, rule.document.digest, _decision(rule, answer)))
            listen(trials[-1])
    return tuple(sorted(trials, key=lambda trial: trial.code))


def sheet_of(trials: Iterable[Trial], known: Sheet | None = None) -> Sheet:
    """Return the evidence of this interpreter and machine: ``known``, with what was measured now in its place."""
    rules = dict(known.rules) if known is not None else {}
    rules |= {
        trial.code: Measured(trial.digest, trial.decision.figures)
        for trial in trials
        if trial.decision.figures
    }
    release = ".".join(map(str, sys.version_info[:3]))
    machine = Machine(platform.system(), platform.processor() or platform.machine())
    return Sheet(1, sys.implementation.name, release, machine, dict(sorted(rules.items())))


def _decision(rule: Rule, answer: Verified | Timed | str) -> Decision:
    benchmark = rule.document.benchmark
    if not isinstance(answer, Timed) or answer.problem is not None or benchmark is None:
        reason = answer.problem if isinstance(answer, Timed) and answer.problem else str(answer)
        return Decision(Outcome.INCONCLUSIVE, reason, ())
    return decide(benchmark.gate, [summarise(pairs) for pairs in answer.pairs])


async def _ask(pool: Workers, request: VerifyRule | BenchRule) -> Verified | Timed | str:
    try:
        answer: Verified | Timed = decode_answer(await pool.ask(encode(request), b""))
    except JobError as error:
        return f"the process that runs it {error}"
    return answer
