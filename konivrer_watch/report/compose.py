"""What compose.yaml leaves open, for one root: its variables, and the generated file beside it. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from konivrer_watch.core.settings import Settings

_LEAST_CPUS = 0.01


class Mount(msgspec.Struct, frozen=True):
    """A place of the host, at the same absolute path in the container."""

    path: str
    read_only: bool = True


class Stack(msgspec.Struct, frozen=True):
    """The containers of one root.

    ``tree`` is what is mounted: the root, or the work tree of git's that it lies in, whose ignore files and
    configuration hold too. ``mounts`` are places outside of it that have a say in verdicts; ``environment`` is what
    the containers' processes are given.
    """

    project: str
    image: str
    root: str
    tree: str
    state: str
    home: str
    uid: int
    gid: int
    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] = {}

    @property
    def service(self) -> str:
        """Name of the container that watches."""
        return f"{self.project}-watch"


def project_name(state_folder: str) -> str:
    """Return compose's name for a root's containers: lower case letters, digits, ``-`` and ``_``.

    The state folder's name ends in the root's hash, so what else is lost here costs no uniqueness.
    """
    kept = [char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in state_folder]
    return "konivrer-watch-" + "".join(kept).lower()


def path_fault(path: str) -> str | None:
    """Return why Docker cannot mount a path at the same place, in words; ``None`` where it can."""
    if path == "/":
        return "is the whole file system, which a container cannot have in the place of its own"
    if ":" in path:
        return "has a colon in its name, which separates the parts of a mount for Docker"
    if not path.isprintable():
        return "has characters in its name that a compose file cannot hold"
    return None


def variables(stack: Stack, settings: Settings, cpus: int) -> dict[str, str]:
    """Return what compose.yaml asks for. ``cpus`` is how many the machine has: Docker refuses to promise more."""
    quota = max(min(settings.cpu_quota / 100, cpus), _LEAST_CPUS)
    return {
        "WATCH_PROJECT": stack.project,
        "WATCH_IMAGE": stack.image,
        "WATCH_UID": str(stack.uid),
        "WATCH_GID": str(stack.gid),
        "WATCH_ROOT": stack.root,
        "WATCH_TREE": stack.tree,
        "WATCH_STATE": stack.state,
        "WATCH_HOME": stack.home,
        "WATCH_CPUS": f"{quota:g}",
        "WATCH_MEMORY": str(settings.memory_max),
        "WATCH_INTERVAL": f"{round(settings.check_interval * 1000)}ms",
    }


def override(stack: Stack) -> bytes:
    """Return the compose file that goes on top of compose.yaml, as JSON, which is YAML too."""
    mounts = [
        {
            "type": "bind",
            "source": _literal(mount.path),
            "target": _literal(mount.path),
            "read_only": mount.read_only,
        }
        for mount in stack.mounts
    ]
    environment = {name: _literal(value) for name, value in stack.environment.items()}
    watch = {"environment": environment, "volumes": mounts}
    services = {"watch": watch, "monitor": {"environment": environment}}
    return msgspec.json.format(msgspec.json.encode({"services": services}), indent=2)


def _literal(text: str) -> str:
    """Keep compose from taking ``$`` for a variable (compose-spec, interpolation)."""
    return text.replace("$", "$$")
