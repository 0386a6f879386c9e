"""Writes what is said, and never makes who says it wait for who reads it."""

import os
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

# What waits for a reader; one that has stopped reading must not stop the watch.
_BACKLOG = 10_000
_LAST_WORDS_SECONDS = 0.5


class Writer:
    """Writes to file descriptors in the order in which it is asked; a thread of its own does so.

    What finds no room is dropped, and ``lost_text`` makes of the number dropped what is written to ``sink`` instead.
    ``fault`` is why nothing more can be written, where that is so; the process is then asked to end.
    """

    def __init__(self, sink: int, lost_text: Callable[[int], bytes]) -> None:
        self.fault: OSError | None = None
        self._sink = sink
        self._lost_text = lost_text
        self._lost = 0
        self._waiting: queue.Queue[tuple[int, bytes] | None] = queue.Queue(_BACKLOG)
        self._thread = threading.Thread(target=self._write, daemon=True, name="writer")

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Give what waits half a second, and leave the rest."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(_LAST_WORDS_SECONDS)

    def put_nowait(self, text: bytes) -> None:
        """Have a text written to the sink."""
        try:
            if self._lost:
                self._waiting.put_nowait((self._sink, self._lost_text(self._lost)))
                self._lost = 0
            self._waiting.put_nowait((self._sink, text))
        except queue.Full:
            self._lost += 1

    def draw_nowait(self, descriptor: int, text: bytes) -> None:
        """Have a text written to another descriptor, where there is room: nobody misses one that is not."""
        with suppress(queue.Full):
            self._waiting.put_nowait((descriptor, text))

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
