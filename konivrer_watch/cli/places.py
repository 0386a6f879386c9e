"""Where things are: the root a user named, its state, and the packs that ship with the program."""

import os
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import konivrer_watch
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.daemon.contexts import Packs, Place
from konivrer_watch.daemon.workbench import StateFolders
from konivrer_watch.passes.lint.settings_file import user_level_files
from konivrer_watch.report.text import escape
from konivrer_watch.system.git import find_git, global_excludes

STATE_VARIABLE = "KONIVRER_WATCH_STATE_DIR"


def find_root(path: str) -> Path:
    """Return the folder a user named, absolute and free of symbolic links."""
    shown = escape(path)
    try:
        root = Path(path).resolve(strict=True)
    except FileNotFoundError:
        raise UsageFault(f"{shown}: there is no such folder") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageFault(f"{shown}: {reason or error}") from error
    if not root.is_dir():
        raise UsageFault(f"{shown}: is no folder; name one, or use 'konivrer-watch check {shown}' for a file")
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageFault(f"{shown}: cannot be read; check its permissions")
    return root


def find_state(root: Path, environment: Mapping[str, str]) -> StateFolders:
    """Return the state folders of a root. They need not exist.

    Raises ``UsageFault`` where they would be the root itself, whose files are the user's.
    """
    named = environment.get(STATE_VARIABLE)
    if named:
        shared = Path(named)
    else:
        import platformdirs

        shared = Path(platformdirs.user_state_dir("konivrer-watch", appauthor=False))
    try:
        # Free of links, so that a state folder inside the root is known as such.
        shared = shared.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageFault(f"{STATE_VARIABLE}: {escape(str(shared))}: {escape(str(error))}") from error
    if shared == root:
        raise UsageFault(f"{STATE_VARIABLE}: is the folder to watch itself; name one of its own")
    mark = sha256(bytes(root)).hexdigest()[:12]
    name = "".join(char if char.isalnum() or char in "-_." else "_" for char in root.name)[:40] or "root"
    return StateFolders(shared, shared / f"{name}-{mark}")


def find_socket(folders: StateFolders, environment: Mapping[str, str]) -> Path:
    """Return where the control socket of a root is."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "konivrer-watch" / folders.own.name.rpartition("-")[2] / "control.sock"
    return folders.own / "control.sock"


def find_place(root: Path, folders: StateFolders, environment: Mapping[str, str]) -> Place:
    """Return the root with what outside it has a say in its verdicts."""
    raw = bytes(root)
    inside = folders.shared.is_relative_to(root)
    never = frozenset([bytes(folders.shared.relative_to(root))] if inside else [])
    return Place(
        root=raw,
        git=find_git(raw),
        global_excludes=global_excludes(raw, environment),
        never=never,
        user_files=user_level_files(environment),
        environment=environment,
    )


def read_packs() -> Packs:
    """Read ``rules/``: inside the package where it was installed, beside it in a checkout."""
    package = Path(konivrer_watch.__file__).parent
    folder = next((place for place in (package / "_rules", package.parent / "rules") if place.is_dir()), None)
    if folder is None:
        raise StopError(
            f"the rules that ship with konivrer-watch are missing beside {package}; install it again with "
            f"'{sys.executable} -m pip install --force-reinstall konivrer-watch'"
        )
    lint = folder / "lint.toml"
    try:
        files = [*sorted((folder / "optimize").glob("*.toml")), *sorted((folder / "evidence").glob("*.json"))]
        optimize = {file.name: file.read_bytes() for file in files}
        return Packs(lint.read_bytes(), lint, (folder / "security.yaml").read_bytes(), optimize)
    except OSError as error:
        raise StopError(f"the rules in {folder} cannot be read: {error}") from error
