"""Times a rule's programs: CPU time, pairs in turn, and a program against itself. It executes rule code.

Only ever for the rules that ship with us, on request, in a child process: see ``rule_child``.
"""

import gc
import resource
import textwrap
import time
import warnings
from collections.abc import Callable

from konivrer_watch.passes.optimize.document import Document, Workload
from konivrer_watch.passes.optimize.gate import Pairs

Clock = Callable[[], float]
_Program = Callable[[int], None]


def clock_for(document: Document) -> Clock:
    """Return a clock of CPU seconds; where children do the work, theirs count."""
    return _with_children if document.class_ == "io" else time.process_time


def measure(workload: Workload, rounds: int, seconds: float, clock: Clock) -> Pairs:
    """Return ``rounds`` pairs, each program repeated until it takes ``seconds``.

    ``ValueError`` where a program does not compile. What a program raises, it raises.
    """
    before, after = _program(workload, workload.before), _program(workload, workload.after)
    ones, others, control = [], [], []
    collecting = gc.isenabled()
    gc.disable()
    try:
        turns = max(_calibrate(before, seconds, clock), _calibrate(after, seconds, clock) // 16, 1)
        for index in range(rounds):
            # Whoever runs first finds other caches and another clock rate.
            first, second = (before, after) if index % 2 == 0 else (after, before)
            times = (_time(first, turns, clock), _time(second, turns, clock))
            one, other = times if index % 2 == 0 else times[::-1]
            ones.append(one)
            others.append(other)
            control.append((_time(before, turns, clock), _time(before, turns, clock)))
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return Pairs(workload.name, tuple(ones), tuple(others), tuple(control))


def _program(workload: Workload, body: str) -> _Program:
    # Inside a function, as code that matters is: names are locals.
    text = (
        f"def run(turns):\n{textwrap.indent(workload.setup or 'pass', '    ')}\n"
        f"    begin()\n    for _turn in range(turns):\n{textwrap.indent(body, '        ')}\n    end()\n"
    )
    names: dict[str, object] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(text, workload.name, "exec")
    except SyntaxError as error:
        raise ValueError(f"{workload.name}: {error.msg}") from error
    exec(code, names)
    run = names["run"]
    if not callable(run):
        raise ValueError(f"{workload.name}: the setup rebinds what runs it")

    def program(turns: int) -> None:
        run(turns)

    # The programs tell when their setup is over.
    program.__dict__["names"] = names
    return program


def _time(program: _Program, turns: int, clock: Clock) -> float:
    """Return CPU seconds of one turn."""
    marks: list[float] = []
    names = program.__dict__["names"]
    names["begin"] = names["end"] = lambda: marks.append(clock())
    program(turns)
    return max(marks[1] - marks[0], 1e-9) / turns


def _calibrate(program: _Program, seconds: float, clock: Clock) -> int:
    turns = 1
    while turns < 1 << 20:
        taken = _time(program, turns, clock) * turns
        if taken >= seconds:
            break
        turns = min(turns * 16, max(turns * 2, round(turns * seconds / max(taken, 1e-9))))
    return turns


def _with_children() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
