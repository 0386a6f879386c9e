"""The watchfiles source: hints from the system's own notification, wherever it has one.

watchfiles loses events without a word (overflow, new folders) and fails for ever on a name that is not UTF-8, so
that what it says is only ever a hint, and every failure of it is a hint about everything. Its documented Rust backend
is used, not ``awatch``: that takes the pace of its looks once and for all, and seconds to cancel.
"""

import os
from collections.abc import Callable, Iterable

import anyio
import anyio.lowlevel
import anyio.to_thread
from watchfiles._rust_notify import RustNotify

from konivrer_watch.core.model import Hint
from konivrer_watch.system.cookie import Cookie

# Milliseconds between two looks at the native queue. One and a half of them are added to a save on average, and each
# look costs idle CPU (20: 0.4 % of a core, 50: 0.2 %): so they come faster while somebody is at work.
_ALERT_STEP_MS = 20
_CALM_STEP_MS = 48
_ALERT_SECONDS = 30.0
# A burst is told in parts of at most this length.
_BATCH_MS = 300
# After this many milliseconds of silence the root is looked at: one that was replaced is silent for ever.
_LOOK_MS = 2_000
# A source that lasts this long after a failure is sound again.
_RECOVERED_SECONDS = 60.0
_BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)


class PortableSource:
    """Tells ``hint`` of what may have changed under ``root``, and ``cookie`` that it was seen.

    ``builds`` counts how often it was built; it announces what happens while it is ``standing``.
    """

    name = "watchfiles"
    announces = True

    def __init__(
        self,
        root: bytes,
        hint: Callable[[Iterable[Hint]], None],
        degraded: Callable[[str | None], None],
        cookie: Cookie,
    ) -> None:
        """Tell ``degraded`` why nothing is heard, and ``None`` when that is over."""
        self._root = root
        self._hint = hint
        self._degraded = degraded
        self._cookie = cookie
        self._stop = anyio.Event()
        self._stands = anyio.Event()
        self._asked = anyio.Event()
        self.builds = 0

    @property
    def standing(self) -> bool:
        """Whether what happens now will be announced, as far as is known."""
        return self._stands.is_set()

    async def wait_standing(self) -> None:
        """Return once it stands; the walk through a huge tree takes its time."""
        await self._stands.wait()

    def rebuild_nowait(self) -> None:
        """Watch what stands at the root's path now."""
        self._asked.set()
        self._fall()
        self._stop.set()

    async def run(self) -> None:
        """Watch until cancelled. A source that fails is built anew, later each time it fails again."""
        failures = 0
        sound_after: float | None = None
        while True:
            started = anyio.current_time()
            self._asked = anyio.Event()
            failure = await self._watch(sound_after)
            self._fall()
            if self._asked.is_set():
                continue
            if anyio.current_time() - started > _RECOVERED_SECONDS:
                failures = 0
            self._degraded(f"watchfiles: {failure}; the tree is swept instead")
            with anyio.move_on_after(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]):
                await self._asked.wait()
            # Who asks saw that the cause is gone, as where the root is back.
            sound_after = 0.0 if self._asked.is_set() else _RECOVERED_SECONDS
            failures += 1

    async def _watch(self, sound_after: float | None) -> str:
        """Return why watching ended. After a failure, it is sound once it has stood for ``sound_after`` seconds."""
        failure = "it ended by itself"
        # A thread cannot be cancelled, only told to stop by its event: so it is shielded, and told.
        self._stop = stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_set_when_cancelled, stop)
            if sound_after is not None:
                group.start_soon(self._recover, sound_after)
            with anyio.CancelScope(shield=True):
                try:
                    await self._listen(stop)
                except* (OSError, RuntimeError, UnicodeError) as errors:
                    failure = _first_message(errors)
            group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()
        return failure

    async def _listen(self, stop: anyio.Event) -> None:
        try:
            await self._hear(stop, ignore_unreadable=False)
        except PermissionError:
            # Told to ignore unreadable folders, watchfiles is silent about a lack of watches too: so only now.
            await self._hear(stop, ignore_unreadable=True)

    async def _hear(self, stop: anyio.Event, *, ignore_unreadable: bool) -> None:
        watched = _identity(self._root)
        if watched is None:
            raise FileNotFoundError(f"{os.fsdecode(self._root)!r} is not there")
        alert_until = 0.0
        places = [self._root]
        if self._cookie.beside is not None:
            await anyio.to_thread.run_sync(self._cookie.prepare)
            places.append(self._cookie.beside)
        # Its polling compares whole seconds and misses saves; where there are no events, sweeps are better.
        arguments = ([os.fsdecode(place) for place in places], False, False, 0, True, ignore_unreadable)
        # It walks the whole tree to watch it; what changes meanwhile is told by nobody.
        notify = await anyio.to_thread.run_sync(RustNotify, *arguments)
        self._hint([Hint(None)])
        if not stop.is_set():
            self.builds += 1
            self._stands.set()
        with notify:
            while True:
                step = _ALERT_STEP_MS if anyio.current_time() < alert_until else _CALM_STEP_MS
                told = await anyio.to_thread.run_sync(notify.watch, _BATCH_MS, step, _LOOK_MS, stop)
                if told == "stop":
                    return
                if told == "timeout":
                    if _identity(self._root) != watched:
                        raise FileNotFoundError(f"{os.fsdecode(self._root)!r} was removed or replaced")
                elif isinstance(told, set) and self._tell(told):
                    alert_until = anyio.current_time() + _ALERT_SECONDS

    def _tell(self, told: set[tuple[int, str]]) -> bool:
        """Pass on what was told; return whether there was anything but the probe, which is nobody at work."""
        named = {os.fsencode(name) for _, name in told}
        others = {path for path in named if not self._cookie.is_at(path)}
        if len(others) < len(named):
            self._cookie.seen_nowait()
        paths = [self._relative(path) for path in others]
        self._hint([Hint(path) for path in paths if path is not None])
        return bool(others)

    def _fall(self) -> None:
        if self._stands.is_set():
            self._stands = anyio.Event()

    async def _recover(self, sound_after: float) -> None:
        await self._stands.wait()
        await anyio.sleep(sound_after)
        self._degraded(None)

    def _relative(self, path: bytes) -> bytes | None:
        if path == self._root:
            return b""
        prefix = self._root.rstrip(b"/") + b"/"
        if not path.startswith(prefix):
            return None
        relative = path[len(prefix) :]
        return None if relative == b".git" or relative.startswith(b".git/") else relative


async def _set_when_cancelled(stop: anyio.Event) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


def _identity(root: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(root)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _first_message(group: BaseExceptionGroup[BaseException]) -> str:
    first = group.exceptions[0]
    return _first_message(first) if isinstance(first, BaseExceptionGroup) else str(first)


class PollingSource:
    """No events at all: the tree is swept, and nothing else."""

    name = "poll"
    announces = False
    standing = False
    builds = 0

    def __init__(
        self,
        root: bytes,
        hint: Callable[[Iterable[Hint]], None],
        degraded: Callable[[str | None], None],
        cookie: Cookie,
    ) -> None:
        """Take what any source takes, and need none of it."""

    async def wait_standing(self) -> None:
        """Wait to be cancelled."""
        await anyio.sleep_forever()

    def rebuild_nowait(self) -> None:
        """Do nothing: a sweep looks at what stands there."""

    async def run(self) -> None:
        """Wait to be cancelled."""
        await anyio.sleep_forever()
