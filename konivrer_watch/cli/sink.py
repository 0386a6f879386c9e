"""Where the watcher's words go: a terminal, a pipe, or a log."""

from collections.abc import Callable
from typing import Protocol

from konivrer_watch.system.logs import Severity


class Sink(Protocol):
    """Takes what is said, in order, and never makes who says it wait.

    ``fault`` is why nothing more can be said, where that ends the watch.
    """

    fault: OSError | None

    def start(self, lost_text: Callable[[int], str]) -> None:
        """Begin. ``lost_text`` makes of a number of texts that found no room what is said of it."""

    def stop(self) -> None:
        """Give what waits half a second, and leave the rest."""

    def put_nowait(self, severity: Severity, text: str) -> None:
        """Take a text of one or several lines, without the last line's end."""

    def draw_nowait(self, text: str) -> None:
        """Take what is drawn over itself, as a progress bar is; only a terminal shows it."""
