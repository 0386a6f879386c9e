"""From what came of files to the lines that tell it."""

from collections.abc import Iterable, Sequence

from konivrer_watch.core.model import Pass, Skip
from konivrer_watch.daemon.describe import told_once
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.report.events import VerdictLine
from konivrer_watch.report.troubles import Told


def verdict_line(judgement: Judgement, at: str, skips: Iterable[Skip]) -> VerdictLine:
    """Return the line; ``skips`` tell a file that is gone from one that cannot be looked at any more."""
    outcome = judgement.outcome
    if outcome is None:
        unseen = any(_is_below(judgement.path, skip) for skip in skips)
        trigger = "skipped" if unseen else "removed"
        return VerdictLine(at, judgement.path, (), not unseen, (), (), judgement.news.gone, trigger, 0)
    verdicts = outcome.verdicts
    problems = [(pass_, verdict.problem) for pass_, verdict in verdicts.items() if verdict.problem]
    return VerdictLine(
        at=at,
        path=judgement.path,
        passes=tuple([pass_ for pass_ in Pass if pass_ in verdicts]),
        complete=not problems,
        findings=[finding for verdict in verdicts.values() for finding in verdict.findings],
        appeared=judgement.news.appeared,
        gone=judgement.news.gone,
        trigger=outcome.trigger,
        latency_ms=outcome.latency_ms,
        problems=problems,
    )


def troubles_of(root: bytes, verdicts: Sequence[VerdictLine]) -> list[Told]:
    """Return what is wrong with any of them, each thing once."""
    return told_once(
        root,
        [(verdict.path, pass_, problem) for verdict in verdicts for pass_, problem in verdict.problems],
    )


def _is_below(path: bytes, skip: Skip) -> bool:
    return not skip.complete and (path == skip.path or path.startswith(skip.path + b"/"))
