"""When timed events were last: on disk, so that a program that crashes neither repeats nor forgets them."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from konivrer_watch.core.events import HealFinished
from konivrer_watch.core.schedule import Instant, Mark
from konivrer_watch.system.files import read_optional, replace_private

_NAME = "timers.json"


class _Kept(msgspec.Struct, frozen=True):
    heal: Mark | None = None
    healed: HealFinished | None = None


class Marks:
    """What is remembered in a root's state folder. Where it cannot be written, it holds for this process. Blocking."""

    def __init__(self, folder: Path, clock: Callable[[], Instant]) -> None:
        self._folder = folder
        self._clock = clock
        self._kept = _read(folder)

    @property
    def heal(self) -> Mark | None:
        """The last heal's mark."""
        return self._kept.heal

    @property
    def healed(self) -> HealFinished | None:
        """What came of the last heal that came to its end."""
        return self._kept.healed

    def heal_begun(self) -> None:
        """A heal begins."""
        self._keep(_Kept(Mark(self._clock(), finished=False), self._kept.healed))

    def heal_ended(self, healed: HealFinished) -> None:
        """A heal came to its end."""
        self._keep(_Kept(Mark(self._clock(), finished=True), healed))

    def _keep(self, kept: _Kept) -> None:
        self._kept = kept
        with suppress(OSError):
            replace_private(self._folder / _NAME, msgspec.json.encode(kept))


def _read(folder: Path) -> _Kept:
    data = read_optional(bytes(folder / _NAME))
    try:
        return _Kept() if data is None else msgspec.json.decode(data, type=_Kept)
    except msgspec.MsgspecError:
        return _Kept()
