"""Which verdicts are told at once, and which together, as what came of one occasion."""

import math
from collections.abc import Iterable, Sequence

import msgspec

from konivrer_watch.core.model import Change, Problem, Trigger
from konivrer_watch.core.news import compare
from konivrer_watch.core.relevance import steers
from konivrer_watch.daemon.recorder import Judgement
from konivrer_watch.report.troubles import Told

# More files than this that came together are told together.
_FEW = 20
_COLLECTING_SECONDS = 5.0
# What is judged so soon after a configuration was touched, or after more of the same, comes of it.
_STEERED_SECONDS = 5.0


class Occasion:
    """Collects what is not told at once: a change of configuration alone can concern every file.

    Times are seconds of one clock.
    """

    def __init__(self) -> None:
        self._collected: dict[bytes, Judgement] = {}
        self._reasons: dict[str, None] = {}
        self._since = 0.0
        self._steered_at = -math.inf
        self._problems: dict[bytes, frozenset[Problem]] = {}

    def note_changes(self, changes: Iterable[Change], now: float) -> None:
        """Remember whether one of them was a configuration: it is the reason of what is judged next."""
        if any(steers(change.path.rpartition(b"/")[2]) for change in changes):
            self._steered_at = now

    def know(self, problems: Iterable[Told]) -> None:
        """Take these for told already."""
        for path, _, problem in problems:
            self._problems[path] = self._problems.get(path, frozenset()) | {problem}

    def sort(self, judgements: Sequence[Judgement], now: float) -> list[Judgement]:
        """Return those to tell at once: what a person saved or removed, where it is not much; keep the rest."""
        news = [each for judgement in judgements if (each := self._news(judgement))]
        near = [each for each in news if _is_near(each)]
        if len(near) > _FEW or any(_is_near(each) for each in self._collected.values()):
            near = []
        at_once = {each.path for each in near}
        for judgement in news:
            if judgement.path not in at_once:
                if not self._collected:
                    self._since = now
                self._collected[judgement.path] = judgement
                self._reasons[self._reason(judgement, now)] = None
        return near

    def is_over(self, now: float) -> bool:
        """Whether so much time was spent on collecting that what there is has to be told."""
        return bool(self._collected) and now - self._since >= _COLLECTING_SECONDS

    def take(self) -> tuple[str, list[Judgement]]:
        """Return why and what was collected, and begin anew."""
        why, collected = ", ".join(self._reasons), list(self._collected.values())
        self._collected, self._reasons = {}, {}
        return why, collected

    def _news(self, judgement: Judgement) -> Judgement | None:
        """Return what a person wants to hear: what they saved, always; of all else, what differs from what was told."""
        earlier = self._collected.pop(judgement.path, None)
        if earlier is not None:
            # What came untold and went again did not happen.
            gone = (*earlier.news.gone, *judgement.news.gone)
            net = compare(gone, (*earlier.news.appeared, *judgement.news.appeared))
            judgement = msgspec.structs.replace(judgement, news=net)
        verdicts = judgement.outcome.verdicts.values() if judgement.outcome else ()
        problems = frozenset([verdict.problem for verdict in verdicts if verdict.problem])
        known = self._problems.pop(judgement.path, frozenset()) if earlier is None else frozenset()
        if problems:
            self._problems[judgement.path] = problems
        saved = judgement.outcome is not None and judgement.outcome.trigger is Trigger.SAVE
        if saved or judgement.news.appeared or judgement.news.gone or problems - known:
            return judgement
        return None

    def _reason(self, judgement: Judgement, now: float) -> str:
        trigger = judgement.outcome.trigger if judgement.outcome else None
        if trigger is Trigger.SAVE:
            return "saved"
        if now - self._steered_at < _STEERED_SECONDS:
            self._steered_at = now
            return "configuration changed"
        if trigger is None:
            return "removed"
        # A module that others import comes and goes without any configuration being touched.
        return "other files changed" if trigger is Trigger.CONFIGURATION else "files changed"


def _is_near(judgement: Judgement) -> bool:
    """Whether it is of the very file that a person touched."""
    return judgement.outcome is None or judgement.outcome.trigger is Trigger.SAVE
