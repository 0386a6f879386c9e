"""What the optimize pass costs beside parsing alone: ``scripts/bench.sh optimize [FILE...]``.

Without files, modules of the standard library are put together to one of 3,000 lines and one of 200. CPU time, least
of several turns; parsing and judging in turn. The aim is twice the time of ``ast.parse`` at most, parsing included,
better one and a half times, and 3 ms for 200 lines.
"""

import ast
import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.passes.mutation import functions
from tests.passes.pack import engine

TURNS = 15


def least(work: Callable[[], object]) -> float:
    """Return CPU seconds."""
    started = time.process_time()
    work()
    return time.process_time() - started


def lines_of_code(count: int) -> bytes:
    """Return so many lines of functions that the standard library holds."""
    lines: list[str] = []
    for text in functions():
        lines += text.splitlines(keepends=True)
        if len(lines) >= count:
            break
    return "".join(lines).encode()


def main() -> None:
    """Print a line for each file."""
    judge = engine()
    files = {path: Path(path).read_bytes() for path in sys.argv[1:]} or {
        f"{count} lines of the standard library": lines_of_code(count) for count in (200, 3000)
    }
    gc.disable()
    for name, data in files.items():
        parses, whole = [], []
        for _ in range(TURNS):
            parses.append(least(partial(ast.parse, data)))
            whole.append(least(partial(judge.judge, data)))
            gc.collect()
        count, found = data.count(b"\n"), len(judge.judge(data).findings)
        print(
            f"{name}: {count} lines, parse {min(parses) * 1e3:.1f} ms, parse and {len(judge.rules)} rules "
            f"{min(whole) * 1e3:.1f} ms: {min(whole) / min(parses):.2f} times; {found} findings"
        )


if __name__ == "__main__":
    main()
