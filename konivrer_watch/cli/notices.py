"""Events that are worth a line of their own, whatever else is going on."""

from collections.abc import Iterator

from konivrer_watch.core.events import Event, HealFinished, PullFinished, StoresChecked
from konivrer_watch.core.pull import PullOutcome
from konivrer_watch.core.status import State
from konivrer_watch.report.events import HealLine, PullLine, StateLine
from konivrer_watch.system.logs import Severity

Notice = StateLine | PullLine | HealLine


def notices(event: Event, state: State, at: str, *, for_program: bool) -> Iterator[tuple[Notice, Severity]]:
    """Return what is to be said of an event. A program hears of everything, a person of what is news."""
    match event:
        case StoresChecked(faults):
            for fault in faults:
                yield StateLine(at, state, fault), Severity.WARNING
        case HealFinished() if for_program or event.found:
            is_well = event.mended == event.found
            yield HealLine(at, event.found, event.mended), Severity.INFO if is_well else Severity.WARNING
        case PullFinished(result) if for_program or result.result is not PullOutcome.OFF:
            failed = result.result is PullOutcome.FAILED
            line = PullLine(result.at, result.result, result.reason)
            yield line, Severity.WARNING if failed else Severity.INFO
        case _:
            return
