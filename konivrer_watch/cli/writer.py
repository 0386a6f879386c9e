"""Writes what is said, and never makes who says it wait for who reads it."""

import os
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from konivrer_watch.system.logs import Severity

# What waits for a reader; one that has stopped reading must not stop the watch.
_BACKLOG = 10_000
_LAST_WORDS_SECONDS = 0.5


class Writer:
    """A sink that writes to the file descriptor ``out``, and draws on ``err``; a thread of its own does so.

    What finds no room is dropped, and what is said of the number dropped is written instead. ``fault`` is why nothing
    more can be written, where that is so; the process is then asked to end.
    """

    def __init__(self, out: int, err: int) -> None:
        self.fault: OSError | None = None
        self._out = out
        self._err = err
        self._lost = 0
        self._lost_text: Callable[[int], str] = str
        self._waiting: queue.Queue[tuple[int, bytes] | None] = queue.Queue(_BACKLOG)
        self._thread = threading.Thread(target=self._write, daemon=True, name="writer")

    def start(self, lost_text: Callable[[int], str]) -> None:
        """Begin to write."""
        self._lost_text = lost_text
        self._thread.start()

    def stop(self) -> None:
        """Give what waits half a second, and leave the rest."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(_LAST_WORDS_SECONDS)

    def put_nowait(self, severity: Severity, text: str) -> None:
        """Have a text written, and a line end after it."""
        try:
            if self._lost:
                self._waiting.put_nowait((self._out, _encoded(self._lost_text(self._lost))))
                self._lost = 0
            self._waiting.put_nowait((self._out, _encoded(text)))
        except queue.Full:
            self._lost += 1

    def draw_nowait(self, text: str) -> None:
        """Have a text drawn on the terminal, where there is room: nobody misses one that is not."""
        with suppress(queue.Full):
            self._waiting.put_nowait((self._err, text.encode()))

    def _write(self) -> None:
        # Unbuffered: a buffer whose reader has stopped would hold up the end of the process.
        try:
            while (entry := self._waiting.get()) is not None:
                descriptor, text = entry
                left = memoryview(text)
                while left:
                    left = left[os.write(descriptor, left) :]
        except OSError as error:
            # There is nobody left to watch for.
            self.fault = error
            os.kill(os.getpid(), signal.SIGTERM)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"
