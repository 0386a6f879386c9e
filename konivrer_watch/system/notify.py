"""How we tell whoever keeps us alive that we are: systemd through its socket, our own supervisor through ours.

Both understand sd_notify(3)'s lines. systemd names a datagram socket in ``NOTIFY_SOCKET``; our supervisor gives its
child one end of a socket pair as standard input, which also tells the child when the supervisor is gone. Docker and a
terminal hear nothing.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

import anyio

from konivrer_watch.core.errors import StopError
from konivrer_watch.core.model import Launcher


class Notifier:
    """Speaks to the supervisor, where there is one. What it cannot take at once is dropped: silence is what it judges.

    ``interval`` is the number of seconds within which it wants to hear of us, ``None`` where it does not care.
    """

    def __init__(self, connection: socket.socket | None, interval: float | None, *, lifeline: bool) -> None:
        self._connection = connection
        self._lifeline = lifeline
        self.interval = interval

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def ready(self, text: str) -> None:
        """We serve; ``text`` is one line on what we do."""
        self._send("READY=1", f"STATUS={text}")

    def alive(self, text: str) -> None:
        """We get on; ``text`` is one line on what we do."""
        self._send("WATCHDOG=1", f"STATUS={text}")

    def reloading(self) -> None:
        """We end to begin anew, in this process: ``ready`` follows."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We end because we were told to."""
        self._send("STOPPING=1")

    async def wait_orphaned(self) -> None:
        """Return when our own supervisor is gone; never where another keeps us."""
        if self._connection is None or not self._lifeline:
            await anyio.sleep_forever()
            return
        while True:
            await anyio.wait_readable(self._connection)
            try:
                if not self._connection.recv(4096):
                    return
            except BlockingIOError:
                continue
            except OSError:
                return

    def _send(self, *lines: str) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send("\n".join([*lines, ""]).encode())


def open_notifier(launcher: Launcher, environment: Mapping[str, str]) -> Notifier:
    """Return the way to whoever started us. Raises ``StopError`` where our own supervisor should be and is not."""
    interval = _interval(environment)
    if launcher is Launcher.DIRECT:
        try:
            connection = socket.socket(fileno=os.dup(0))
        except OSError as error:
            raise StopError("this command is run by 'konivrer-watch start' only") from error
        connection.setblocking(False)
        return Notifier(connection, interval, lifeline=True)
    address = environment.get("NOTIFY_SOCKET", "")
    if launcher is not Launcher.SYSTEMD or not address:
        return Notifier(None, None, lifeline=False)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0))
    connection.setblocking(False)
    try:
        # A leading @ stands for the abstract namespace's NUL (sd_notify(3)).
        connection.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        connection.close()
        return Notifier(None, None, lifeline=False)
    return Notifier(connection, interval, lifeline=False)


def _interval(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog's interval in seconds (sd_watchdog_enabled(3)), where one is meant for this process."""
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and meant_for == str(os.getpid()) else None
