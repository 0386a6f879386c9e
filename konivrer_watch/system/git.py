"""Where git's own files are. Nothing of a repository is executed, and nothing is written."""

import os
import stat
import subprocess
from collections.abc import Mapping

import msgspec

from konivrer_watch.system.programs import find_program

CONFIG_DEADLINE_S = 5.0
_LONGEST_POINTER = 16 * 1024
# These three name the user's own configuration; every other GIT_ variable speaks of some repository.
_KEPT = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"})


class GitPlace(msgspec.Struct, frozen=True):
    """Absolute places of a work tree: its top, its git directory, and the one all its worktrees share."""

    top: bytes
    git_dir: bytes
    common_dir: bytes

    @property
    def info_exclude(self) -> bytes:
        """Path of the repository's private ignore file, shared by its worktrees."""
        return self.common_dir + b"/info/exclude"


def find_git(root: bytes) -> GitPlace | None:
    """The work tree that ``root`` (absolute, free of symbolic links) is or lies in; ``None`` without one.

    As git does, it passes over a ``.git`` that is no git directory and stops at a file system's border.
    """
    top = root.rstrip(b"/")
    try:
        device = os.lstat(top or b"/").st_dev
        while True:
            place = _place_at(top)
            if place is not None:
                return place
            if not top:
                return None
            top = top.rpartition(b"/")[0]
            if os.lstat(top or b"/").st_dev != device:
                return None
    except OSError:
        return None


def _place_at(top: bytes) -> GitPlace | None:
    path = top + b"/.git"
    git_dir = _pointed_at(path, b"gitdir: ", top)
    if git_dir is None:
        git_dir = path
    common_dir = _pointed_at(git_dir + b"/commondir", b"", git_dir) or git_dir
    if not _is_git_dir(git_dir, common_dir):
        return None
    return GitPlace(top or b"/", git_dir, common_dir)


def _pointed_at(path: bytes, prefix: bytes, base: bytes) -> bytes | None:
    """The absolute path written in a small regular file, or ``None`` if it is not one."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            content = os.read(handle, _LONGEST_POINTER)
        finally:
            os.close(handle)
    except OSError:
        return None
    if not content.startswith(prefix):
        return None
    target = content.removeprefix(prefix).rstrip(b"\r\n")
    if not target or b"\0" in target:
        return None
    return os.path.realpath(target if target.startswith(b"/") else base + b"/" + target)


def _is_git_dir(git_dir: bytes, common_dir: bytes) -> bool:
    try:
        head = os.lstat(git_dir + b"/HEAD").st_mode
        parts = [os.lstat(common_dir + part).st_mode for part in (b"/objects/.", b"/refs/.")]
    except OSError:
        return False
    return (stat.S_ISREG(head) or stat.S_ISLNK(head)) and all(map(stat.S_ISDIR, parts))


def global_excludes(root: bytes, environment: Mapping[str, str]) -> bytes | None:
    """Path of the ignore file that git reads for every repository of this user, if it has one.

    It is ``core.excludesFile`` as configured for ``root``, else git's default place. The file need not
    exist. Without a git that answers within ``CONFIG_DEADLINE_S`` seconds it is the default place.
    """
    git = find_program("git", environment.get("PATH", os.defpath))
    configured = None if git is None else _configured_excludes(git, root, environment)
    if configured is None:
        return _default_excludes(environment)
    if not configured:
        return None
    if configured.startswith(b"/"):
        return configured
    place = find_git(root)
    return (root if place is None else place.top).rstrip(b"/") + b"/" + configured


def _configured_excludes(git: str, root: bytes, environment: Mapping[str, str]) -> bytes | None:
    """What is configured, empty for "no file"; ``None`` if nothing is, or git cannot say."""
    scrubbed = {
        key: value for key, value in environment.items() if not key.startswith("GIT_") or key in _KEPT
    }
    scrubbed |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    # Reading a value runs nothing, so it is safe in a tree of another owner too; `--no-pager` because a
    # repository may name a pager.
    command = [
        git,
        "--no-pager",
        "-c",
        "safe.directory=*",
        "config",
        "--null",
        "--path",
        "--get",
        "core.excludesFile",
    ]
    try:
        answer = subprocess.run(
            command,
            cwd=root,
            env=scrubbed,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CONFIG_DEADLINE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.removesuffix(b"\0") if answer.returncode == 0 else None


def _default_excludes(environment: Mapping[str, str]) -> bytes | None:
    if environment.get("XDG_CONFIG_HOME"):
        return os.fsencode(environment["XDG_CONFIG_HOME"]) + b"/git/ignore"
    if environment.get("HOME"):
        return os.fsencode(environment["HOME"]) + b"/.config/git/ignore"
    return None
