"""What the watcher says once the whole tree has been judged."""

from collections.abc import Iterable, Sequence

from konivrer_watch.core.model import Level, Skip
from konivrer_watch.core.status import Status
from konivrer_watch.report.text import count, duration, escape, finding_text, path_text
from konivrer_watch.report.troubles import Told, gathered, trouble_lines
from konivrer_watch.report.verdicts import in_order

_SHOWN = 10


def summary_text(
    status: Status, troubles: Sequence[Told], milliseconds: int, see_all: str, *, color: bool
) -> str:
    """Counts, then up to ten errors, problems and skipped files each; ``see_all`` is the command that lists all."""
    counts = status.count()
    levels = ", ".join([count(number, level) for level, number in counts.items()])
    lines = [f"checked {count(len(status.files), 'file')} in {duration(milliseconds)}: {levels}; watching"]
    errors = in_order(pair for pair in status.findings if pair[1].level is Level.ERROR)
    for path, finding in errors[:_SHOWN]:
        lines.append(f"  {escape(path_text(path))}:{finding_text(finding, color=color)}")
    if len(errors) > _SHOWN:
        lines.append(f"and {count(len(errors) - _SHOWN, 'more error')}")
    lines += trouble_lines(gathered(troubles), color=color)
    lines += skip_lines(status.skipped)
    if any(counts.values()):
        lines.append(f"{escape(see_all)} lists them")
    return "\n".join(lines)


def skip_lines(skips: Iterable[Skip]) -> list[str]:
    """One line for each of at most ten files that were not looked at."""
    ordered = sorted(skips, key=lambda skip: (skip.complete, skip.path, skip.reason))
    shown = [f"skipped {escape(path_text(skip.path))}: {escape(skip.reason)}" for skip in ordered[:_SHOWN]]
    return shown + ([f"and {len(ordered) - _SHOWN:,} more skipped"] if len(ordered) > _SHOWN else [])
