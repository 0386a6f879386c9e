"""Mutated real code by the thousand: ``scripts/bench.sh mutants [N]``, 20,000 where N is not given.

None may raise, none may have an edit that is not proven or loses a comment, and looking for names where they are
spelled must find what looking everywhere does.
"""

import sys
import warnings
from collections import Counter

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.rewriting import rewrite
from tests.passes.mutation import mutated
from tests.passes.test_optimize_edits import comments_of
from tests.passes.test_optimize_mutated import ENGINE, mentions_differ


def main() -> int:
    """Return 1 where something is wrong; what raises, raises with its seed printed."""
    warnings.simplefilter("ignore")
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    read, wrong = 0, 0
    applied: Counter[str] = Counter()
    for seed in range(wanted):
        text = mutated(seed)
        done = rewrite(ENGINE, text.encode(), tuple(Safety))
        if ENGINE.judge(text.encode()).problem is not None:
            continue
        read += 1
        applied.update(done.applied)
        kept = comments_of(done.data.decode()) == comments_of(text)
        if done.refusal is not None or not kept or mentions_differ(text):
            wrong += 1
            print(f"seed {seed}: {done.refusal or 'a comment or a name is lost'}", file=sys.stderr)
    print(f"{wanted} mutants, {read} of them Python; {applied.total()} edits, {wrong} files wrong")
    print(", ".join([f"{code} {count}" for code, count in sorted(applied.items())]))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
