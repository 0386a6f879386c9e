"""Two git directories of our own, so that no git that does something reads a repository's configuration or hooks.

The *shadow* has our configuration and links to the repository's objects and references. Git takes it for the common
directory (git(1), ``GIT_COMMON_DIR``), as it does for a linked work tree: HEAD, index and their locks are the
repository's own, hooks and configuration are the shadow's. What is fetched goes to the *quarantine*, which borrows
the repository's objects: an interrupted fetch leaves nothing in the repository.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from konivrer_watch.core.pull_config import Configuration
from konivrer_watch.system.git import GitPlace
from konivrer_watch.system.git_run import settings_environment

_LINKED = ("objects", "refs", "packed-refs", "logs", "shallow")
_CONFIG = "[core]\n\trepositoryFormatVersion = 0\n\tbare = {bare}\n"
_NOBODYS_CONFIGURATION = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
_QUIET = {
    "core.hookspath": os.devnull,
    "core.fsmonitor": "false",
    # Else git asks the repository that objects are borrowed from, in its own configuration.
    "core.alternaterefscommand": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
}


class Shadow:
    """The environments for git on the repository (``real``) and on the quarantine (``apart``)."""

    def __init__(self, folder: Path, place: GitPlace, configuration: Configuration) -> None:
        """Make both directories in an empty folder. Raises ``OSError``."""
        git_dir, common_dir = Path(os.fsdecode(place.git_dir)), Path(os.fsdecode(place.common_dir))
        self._shadow, self.quarantine = folder / "shadow", folder / "quarantine"
        self._common_dir = common_dir
        # A log that cannot be written would fail the fast-forward, and a repository without any gets none from us.
        logs = {} if (common_dir / "logs").is_dir() else {"core.logallrefupdates": "false"}
        settings = settings_environment({**configuration.kept(), **_QUIET, **logs})
        self.local = {**_NOBODYS_CONFIGURATION, **settings}
        self.real = {
            **self.local,
            "GIT_DIR": str(git_dir),
            "GIT_COMMON_DIR": str(self._shadow),
            "GIT_WORK_TREE": os.fsdecode(place.top),
            "GIT_REFLOG_ACTION": "konivrer-watch: pull",
        }
        self.apart = {**self.local, "GIT_DIR": str(self.quarantine)}
        self._make_shadow(git_dir)
        self._make_quarantine()

    def fetching(self, ssh: str, protocols: tuple[str, ...]) -> dict[str, str]:
        """Return the environment for a fetch into the quarantine: under the user's own configuration."""
        quiet = {
            **_QUIET,
            "core.askpass": "",
            "credential.interactive": "false",
            "fetch.recursesubmodules": "false",
            "fetch.writecommitgraph": "false",
        }
        return {
            **settings_environment(quiet),
            "GIT_DIR": str(self.quarantine),
            "GIT_ALLOW_PROTOCOL": ":".join(protocols),
            "GIT_SSH_COMMAND": ssh,
        }

    def borrowing(self, index: Path) -> dict[str, str]:
        """Return the environment for the repository with another index, and with what is in the quarantine."""
        objects = str(self.quarantine / "objects").replace("\\", "\\\\").replace('"', '\\"')
        return {
            **self.real,
            "GIT_INDEX_FILE": str(index),
            # Quoted (git(1)), for a colon would end it.
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{objects}"',
        }

    def seed(self, tips: Mapping[str, str]) -> None:
        """Make the commits that we have known to the quarantine, lest they are fetched again."""
        folder = self.quarantine / "refs" / "seed"
        folder.mkdir()
        for name, commit in tips.items():
            (folder / name).write_text(f"{commit}\n")

    def _make_shadow(self, git_dir: Path) -> None:
        info = self._shadow / "info"
        info.mkdir(parents=True)
        (self._shadow / "config").write_text(_CONFIG.format(bare="false"))
        for name in _LINKED:
            (self._shadow / name).symlink_to(self._common_dir / name)
        (info / "attributes").symlink_to(self._common_dir / "info" / "attributes")

    def _make_quarantine(self) -> None:
        for name in ("objects/info", "objects/pack", "refs", "info"):
            (self.quarantine / name).mkdir(parents=True)
        (self.quarantine / "config").write_text(_CONFIG.format(bare="true"))
        (self.quarantine / "HEAD").write_text("ref: refs/heads/none\n")
        # By a link of our own: an alternate's path would have to be quoted.
        (self.quarantine / "borrowed").symlink_to(self._common_dir / "objects")
        (self.quarantine / "objects/info/alternates").write_text("../borrowed\n")
        (self.quarantine / "info/attributes").symlink_to(self._common_dir / "info" / "attributes")
        with suppress(FileNotFoundError):
            (self.quarantine / "shallow").write_bytes((self._common_dir / "shallow").read_bytes())
