"""Sends the watcher's words to a log."""

from collections.abc import Callable

from konivrer_watch.core.model import LogFile
from konivrer_watch.system.logs import Logs, Severity


class LogSink:
    """A sink that is one of the ``logs``. They begin and end by themselves, and count what they lose."""

    def __init__(self, logs: Logs, file: LogFile = LogFile.AUTOMATION) -> None:
        # A log that cannot be written ends no watch; the logs say so in their own ``fault``.
        self.fault: OSError | None = None
        self._logs = logs
        self._file = file

    def start(self, lost_text: Callable[[int], str]) -> None:
        """Nothing is to be begun."""

    def stop(self) -> None:
        """Nothing is to be ended."""

    def put_nowait(self, severity: Severity, text: str) -> None:
        """Log a text."""
        self._logs.put_nowait(self._file, severity, text)

    def draw_nowait(self, text: str) -> None:
        """Draw nothing: a log holds lines."""
