"""A child process's end of the pipes to its parent: frames of a 4-byte big-endian length and that many bytes."""

import os
import sys


class Line:
    """Takes standard input and output over: what anybody prints from now on goes nowhere, not between two frames."""

    def __init__(self) -> None:
        self._source = sys.stdin.buffer
        self._sink = os.fdopen(os.dup(1), "wb")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def receive(self) -> bytes | None:
        """Return the next frame; ``None`` where the parent has closed its end, be that within one."""
        head = self._source.read(4)
        if len(head) < 4:
            return None
        length = int.from_bytes(head, "big")
        body = self._source.read(length)
        return body if len(body) == length else None

    def send(self, frame: bytes) -> None:
        """Write a frame."""
        self._sink.write(len(frame).to_bytes(4, "big") + frame)
        self._sink.flush()
