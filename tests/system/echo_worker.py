"""A worker that does as it is told: what the pool of workers is tested with."""

import os
import signal
import sys
import time


def receive() -> bytes:
    """Return a frame; leave when standard input ends."""
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        sys.exit(0)
    return sys.stdin.buffer.read(int.from_bytes(head, "big"))


def send(answer: bytes) -> None:
    """Send a frame."""
    sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
    sys.stdout.buffer.flush()


def main() -> None:
    """Obey frames of the form ``order:rest``."""
    setup, setups = b"", 0
    while True:
        order, _, rest = receive().partition(b":")
        match order:
            case b"setup":
                setup, setups = rest, setups + 1
            case b"echo":
                send(rest)
            case b"slow":
                time.sleep(0.02)
                send(rest)
            case b"told":
                send(b"%s:%d" % (setup, setups))
            case b"pid":
                send(b"%d" % os.getpid())
            case b"size":
                send(b"x" * int(rest))
            case b"exit":
                sys.exit(int(rest))
            case b"half":
                sys.stdout.buffer.write(b"\0\0\0\x09half")
                sys.stdout.buffer.flush()
                os.kill(os.getpid(), signal.SIGSEGV)
            case b"giant":
                sys.stdout.buffer.write(b"\xff\xff\xff\xff")
                sys.stdout.buffer.flush()
                time.sleep(60)
            case b"stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case b"hang":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)


if __name__ == "__main__":
    main()
