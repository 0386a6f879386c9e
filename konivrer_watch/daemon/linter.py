"""ruff as it is installed now: there with its version, or not usable and why."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from konivrer_watch.core.errors import EngineMissingError, JobError
from konivrer_watch.core.model import Problem, ProblemKind, Signature
from konivrer_watch.system.files import stat_file
from konivrer_watch.system.ruff import Ruff

_MISSING = "install it with 'pip install ruff', or leave the lint pass out with --pass optimize,security"
_BROKEN = (
    "install ruff again, with 'pip install --force-reinstall ruff', or leave the lint pass out with "
    "--pass optimize,security"
)


class Linter(msgspec.Struct, frozen=True):
    """``problem`` is why there is no ``ruff``. ``version`` enters the key of each verdict.

    ``binary`` is the program's absolute path, ``signature`` what it was like when it told its version.
    """

    ruff: Ruff | None = None
    version: str = "none"
    problem: Problem | None = None
    binary: bytes | None = None
    signature: Signature | None = None

    def is_current(self) -> bool:
        """Whether the program is still the one that told its version. Blocking."""
        return self.binary is None or stat_file(b"/", self.binary) == self.signature


def locate(path: Path) -> bytes:
    """Return a program's absolute path as ``Linter`` keeps it."""
    return bytes(path.absolute())


async def find_linter(find: Callable[[], Path], make: Callable[[Path], Ruff], known: Linter) -> Linter:
    """Return ruff as it is now: ``known`` if it is the same program, else what ``make`` makes of it."""
    try:
        path = find()
    except EngineMissingError:
        message = "ruff is not installed beside this Python, nor on PATH"
        return Linter(problem=Problem(ProblemKind.ENGINE, message, _MISSING))
    binary = locate(path)
    signature = stat_file(b"/", binary)
    if known.ruff is not None and (known.binary, known.signature) == (binary, signature):
        return known
    ruff = make(path)
    try:
        return Linter(ruff, await ruff.version(), None, binary, signature)
    except JobError as error:
        return Linter(None, "none", Problem(ProblemKind.ENGINE, str(error), _BROKEN), binary, signature)
