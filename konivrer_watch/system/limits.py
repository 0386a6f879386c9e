"""What this process and all that it starts may leave behind."""

import resource
from contextlib import suppress


def forbid_core_dumps() -> None:
    """Keep the kernel from writing this process's memory, or an engine's, into whatever folder it is in.

    An engine works in the root: its core would lie in the user's tree, with what it read of it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
