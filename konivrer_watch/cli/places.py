"""Where things are: the root a user named, its state, and its control socket."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.report.text import escape
from konivrer_watch.system.lease import look_at_lease

"""The lock in a root's state folder, held by whoever watches it."""

STATE_VARIABLE = "KONIVRER_WATCH_STATE_DIR"
_RUNTIME_FOLDERS = "/run/user"


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


def find_known_root(path: str, environment: Mapping[str, str]) -> Path:
    """Return the folder a user named as ``find_root`` does, also where it is gone and its state folder is there.

    A service goes on when its root is removed, moved or locked away: it can be asked and ended all the same.
    """
    try:
        return find_root(path)
    except UsageFault:
        root = name_root(path, environment)
        if os.path.lexists(find_state(root, environment).own):
            return root
        raise


def name_root(path: str, environment: Mapping[str, str]) -> Path:
    """Return the folder a user named, absolute, and free of symbolic links as far as it is there.

    Raises ``UsageFault`` for what cannot be a path.
    """
    try:
        base = os.getcwd()
    except FileNotFoundError:
        # Our own folder was removed. The shell remembers where it was.
        base = environment.get("PWD", "/")
    try:
        return Path(os.path.realpath(os.path.join(base, path)))
    except (OSError, ValueError) as error:
        raise UsageFault(f"{escape(path)}: {escape(str(error))}") from error


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
    """Return where the service of a root makes its control socket.

    That is the user's runtime folder where there is one. What is no absolute path or another user's, as ``su`` leaves
    it behind, is none (XDG Base Directory Specification).
    """
    runtime = Path(environment.get("XDG_RUNTIME_DIR", ""))
    return _socket(folders, runtime) if _is_runtime(runtime) else folders.own / "control.sock"


def find_sockets(folders: StateFolders, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the control socket of a root may be, likeliest first.

    The service may have been started with another environment than ours: systemd's system instance, cron, sudo and
    Docker know no runtime folder. Its lock says where it was put.
    """
    held = look_at_lease(folders.lock)
    told = [held.place] if held is not None and held.place is not None else []
    runtime = Path(_RUNTIME_FOLDERS, str(os.geteuid()))
    others = [_socket(folders, runtime)] if _is_runtime(runtime) else []
    places = (*told, find_socket(folders, environment), *others, folders.own / "control.sock")
    return tuple(dict.fromkeys(places))


def _socket(folders: StateFolders, runtime: Path) -> Path:
    return runtime / "konivrer-watch" / folders.own.name.rpartition("-")[2] / "control.sock"


def _is_runtime(folder: Path) -> bool:
    try:
        return folder.is_absolute() and folder.is_dir() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return False
