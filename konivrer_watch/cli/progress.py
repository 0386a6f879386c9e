"""A progress bar on standard error, for work that takes long enough to wonder."""

import shutil
import time
from types import TracebackType

import click

_PATIENCE_SECONDS = 0.5


class ProgressBar:
    """Shows how many of how many files are done, once half a second has passed."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._started = time.monotonic()
        self._drawn = False

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            click.echo("\r\x1b[K", nl=False, err=True)

    def update(self, done: int, total: int) -> None:
        """Draw the bar anew."""
        if not self._shown or time.monotonic() - self._started < _PATIENCE_SECONDS:
            return
        width = 30
        filled = width * done // max(total, 1)
        bar = "#" * filled + "-" * (width - filled)
        # A line that wraps could not be taken back.
        room = max(shutil.get_terminal_size().columns - 1, 0)
        click.echo("\r" + f"[{bar}] {done:,} of {total:,} files"[:room], nl=False, err=True)
        self._drawn = True
