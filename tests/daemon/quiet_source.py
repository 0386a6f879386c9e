"""A source in the native one's place, on a tree where nothing happens."""

from collections.abc import Callable, Iterable

import anyio

from konivrer_watch.core.model import Hint
from konivrer_watch.system.cookie import Cookie


class QuietSource:
    """A source that works, on a tree where nothing happens: it tells of the probe and of nothing else."""

    name = "watchfiles"
    announces = True
    standing = True
    builds = 1

    def __init__(
        self,
        root: bytes,
        hint: Callable[[Iterable[Hint]], None],
        degraded: Callable[[str | None], None],
        cookie: Cookie,
    ) -> None:
        self.degraded = degraded

    async def wait_standing(self) -> None:
        return

    def rebuild_nowait(self) -> None:
        raise AssertionError("nothing was missed")

    async def run(self) -> None:
        await anyio.sleep_forever()
