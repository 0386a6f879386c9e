"""Rewrites one file by every edit of a kind, proves each round, and repeats until there is nothing left to do."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from konivrer_watch.core.model import Edit, Safety, Verdict
from konivrer_watch.passes.optimize.edits import apply_edits, find_difference
from konivrer_watch.passes.optimize.source import Source

# An edit may uncover the next one inside it, and so on as deep as code may nest.
_ROUNDS = 200


class Judge(Protocol):
    """What finds the edits: the engine."""

    def judge(self, data: bytes) -> Verdict:
        """Return the verdict on one file's bytes."""


class Rewriting(msgspec.Struct, frozen=True):
    """The new bytes and how often each rule was applied, or why the file is left as it was.

    ``data`` is the old bytes where nothing was to be done or ``refusal`` says why it must not be.
    """

    data: bytes
    applied: Mapping[str, int]
    refusal: str | None = None


def rewrite(judge: Judge, data: bytes, safeties: Collection[Safety] = (Safety.AUTO,)) -> Rewriting:
    """Apply every edit of these safeties, round by round, and prove each round.

    It must parse again, be identical outside the edits, and in the end nothing must be found any more.
    """
    applied: Counter[str] = Counter()
    current = data
    seen: set[bytes] = set()
    for _ in range(_ROUNDS):
        verdict = judge.judge(current)
        if verdict.problem is not None:
            return Rewriting(data, {}, verdict.problem.message)
        chosen: list[tuple[str, Edit]] = [
            (finding.code, edit)
            for finding in verdict.findings
            if finding.fix is not None and finding.fix.safety in safeties
            for edit in finding.fix.edits
        ]
        if not chosen:
            return Rewriting(current, dict(sorted(applied.items())))
        try:
            source = Source.decode(current)
            text, old, new = apply_edits(source, [edit for _, edit in chosen])
            written = source.encode(text)
            difference = find_difference(source, Source.decode(written), old, new)
        except (ValueError, LookupError, SyntaxError) as error:
            return Rewriting(data, {}, str(error))
        if difference is not None:
            return Rewriting(data, {}, difference)
        if current in seen:
            return Rewriting(data, {}, f"{', '.join(sorted({code for code, _ in chosen}))} undo each other")
        seen.add(current)
        applied.update([code for code, _ in chosen])
        current = written
    return Rewriting(data, {}, f"there is no end to what is found after {_ROUNDS} rounds")
