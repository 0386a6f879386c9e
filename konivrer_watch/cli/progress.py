"""A progress bar on standard error, for work that takes long enough to wonder."""

import shutil
import time
from collections.abc import Callable
from types import TracebackType

import click

_PATIENCE_SECONDS = 0.5


def _draw(text: str) -> None:
    click.echo(text, nl=False, err=True)


class ProgressBar:
    """Shows how many of how many files are done, once half a second has passed. ``draw`` writes to the terminal."""

    def __init__(self, *, shown: bool, draw: Callable[[str], None] = _draw) -> None:
        self._shown = shown
        self._draw = draw
        self._started = time.monotonic()
        self._drawn = False

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar away, until the next update."""
        if self._drawn:
            self._draw("\r\x1b[K")
            self._drawn = False

    def update(self, done: int, total: int) -> None:
        """Draw the bar anew."""
        if not self._shown or time.monotonic() - self._started < _PATIENCE_SECONDS:
            return
        width = 30
        filled = width * done // max(total, 1)
        bar = "#" * filled + "-" * (width - filled)
        # A line that wraps could not be taken back.
        room = max(shutil.get_terminal_size().columns - 1, 0)
        self._draw("\r" + f"[{bar}] {done:,} of {total:,} files"[:room])
        self._drawn = True
