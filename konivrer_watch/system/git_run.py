"""One run of git in the pull's child process, under an environment that says everything, and with bounded output.

There is no deadline here: git's helpers are in this process's group, which our parent ends as a whole.
"""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from konivrer_watch.core.pull import PullFailed
from konivrer_watch.system.programs import find_program

_OLDEST = (2, 32)
"""GIT_CONFIG_GLOBAL, without which the user's configuration cannot be left out, is of git 2.32."""

_OUTPUT_LIMIT = 64 << 20
_ERROR_LIMIT = 64 << 10
# These name the user's own configuration and authorities; every other one speaks of a repository or changes git.
_KEPT = frozenset(
    {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"}
)
_DROPPED = frozenset({"SSH_ASKPASS", "SSH_ASKPASS_REQUIRE"})
_ALWAYS = {
    # Messages are quoted in reasons.
    "LC_ALL": "C",
    "LANGUAGE": "",
    # Nobody is there to answer: not a terminal, not a window.
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GCM_INTERACTIVE": "never",
    "GIT_EDITOR": ":",
    "GIT_PAGER": "cat",
    "GIT_OPTIONAL_LOCKS": "0",
    # An object that is not there must not be had from wherever the repository says.
    "GIT_NO_LAZY_FETCH": "1",
    # A replacement could make a commit look like an ancestor of another.
    "GIT_NO_REPLACE_OBJECTS": "1",
}


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: its exit code (negative: the signal), and what it wrote, the last part of it on ``err``."""

    code: int
    out: bytes
    err: bytes


def user_environment(environment: Mapping[str, str], root: str) -> dict[str, str]:
    """Return the environment for every git: the user's, without what speaks of repositories or asks questions.

    Programs are looked for in absolute folders outside the root alone, for git runs ``ssh`` and others by name.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if (not name.startswith("GIT_") or name in _KEPT) and name not in _DROPPED
    }
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    outside = [each for each in folders if Path(each).is_absolute() and not _is_inside(each, root)]
    return {**kept, **_ALWAYS, "PATH": os.pathsep.join(outside)}


def _is_inside(folder: str, root: str) -> bool:
    return Path(folder).resolve().is_relative_to(root)


def settings_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what gives git these settings, over every file (git-config(1), ``GIT_CONFIG_COUNT``)."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


class Git:
    """The git program, run under ``environment`` and what is added to it for one run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Find the program. Raises ``PullFailed`` where it is missing, broken or too old."""
        program = find_program("git", environment["PATH"])
        if program is None:
            raise PullFailed("git is not installed, or not on the PATH that the watcher was started with")
        self.program = program
        self.environment = environment
        words = self.run(["version"], {}, "/").out.split()
        numbers = words[2].split(b".") if len(words) > 2 else []
        try:
            version = (int(numbers[0]), int(numbers[1]))
        except (ValueError, IndexError):
            raise PullFailed(f"{program} does not say its version") from None
        if version < _OLDEST:
            raise PullFailed(f"git {version[0]}.{version[1]} is too old; 2.32 or newer is needed")

    def run(
        self, arguments: Sequence[str | bytes], added: Mapping[str, str], cwd: str, source: Path | None = None
    ) -> Ended:
        """Run git with ``source`` (a file) or nothing as its input.

        Raises ``PullFailed`` where it cannot be started, or writes more than any repository gives reason to.
        """
        try:
            with open(source or os.devnull, "rb") as given:
                process = subprocess.Popen(
                    [self.program, "--no-pager", *arguments],
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=cwd,
                    env={**self.environment, **added},
                )
        except OSError as error:
            raise PullFailed(f"git cannot be started: {error}") from error
        with process:
            if process.stdout is None or process.stderr is None:
                raise PullFailed("git has no pipes")
            tail = bytearray()
            reader = threading.Thread(target=_keep_tail, args=(process.stderr, tail), daemon=True)
            reader.start()
            out = process.stdout.read(_OUTPUT_LIMIT + 1)
            if len(out) > _OUTPUT_LIMIT:
                process.kill()
                raise PullFailed(f"'git {arguments[0]!s}' wrote more than {_OUTPUT_LIMIT >> 20} MB")
            code = process.wait()
            reader.join()
        return Ended(code, out, bytes(tail))


def _keep_tail(stream: BinaryIO, tail: bytearray) -> None:
    while data := os.read(stream.fileno(), 65536):
        tail += data
        del tail[:-_ERROR_LIMIT]
