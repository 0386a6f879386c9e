"""Every automatic edit of the pack on copies of real projects: applied, proven, and none is left.

    scripts/bench.sh rewrites FOLDER... [--all] [--into FOLDER]

Prints findings and applied edits for each rule. ``--all`` applies opt-in edits too; ``--into`` keeps the rewritten
files there. Rules count as measured, for this is about their edits, not about speed.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.rewriting import rewrite
from tests.passes.pack import engine


def main() -> int:
    """Return 1 where an edit could not be proven."""
    parser = argparse.ArgumentParser(prog="bench.sh rewrites")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--all", action="store_true", help="opt-in edits too")
    parser.add_argument("--into", type=Path, help="where rewritten files are put")
    chosen = parser.parse_args()
    judge = engine()
    safeties = (Safety.AUTO, Safety.OPT_IN) if chosen.all else (Safety.AUTO,)
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    applied: Counter[str] = Counter()
    files, unread, changed, wrong = 0, 0, 0, 0
    for folder in chosen.folders:
        for file in sorted(folder.rglob("*.py")):
            data = file.read_bytes()
            files += 1
            verdict = judge.judge(data)
            unread += verdict.problem is not None
            found.update([finding.code for finding in verdict.findings])
            refused.update(
                [finding.code for finding in verdict.findings if "; not rewritten: " in finding.message]
            )
            done = rewrite(judge, data, safeties)
            if verdict.problem is None and done.refusal is not None:
                wrong += 1
                print(f"{file}: {done.refusal}", file=sys.stderr)
            applied.update(done.applied)
            changed += done.data != data
            if chosen.into is not None and done.data != data:
                target = chosen.into / folder.name / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(done.data)
    print(f"{files} files, {unread} not read, {changed} rewritten, {wrong} not proven")
    for rule in judge.rules:
        if found[rule.id] or applied[rule.id]:
            counts = f"{found[rule.id]:6} found {refused[rule.id]:5} refused {applied[rule.id]:6} applied"
            print(f"{rule.id} {rule.declared:8} {counts}  {rule.document.name}")
    print(f"{applied.total()} edits applied")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
