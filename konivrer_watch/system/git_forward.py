"""The steps of a pull on one repository: examine, fetch, compare, fast-forward."""

import os
import shutil
from pathlib import Path

from konivrer_watch.core.pull import (
    OPERATION_MARKS,
    PullFailed,
    PullSkipped,
    Relation,
    complaint,
    read_relation,
    read_status,
    shown_path,
    uncommitted,
    under_way,
)
from konivrer_watch.core.pull_config import Configuration, Upstream, shown_url
from konivrer_watch.system.git import GitPlace
from konivrer_watch.system.git_run import Ended, Git
from konivrer_watch.system.git_shadow import Shadow

_FETCHED = "refs/fetched"
# No prompt, no new host, no connection that outlives us; the port and all else are the user's ssh_config's.
_SSH_OPTIONS = "-o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15 -o ControlMaster=no"
_FETCH = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-prune"),
    *("--no-recurse-submodules", "--"),
)
_MERGE = (
    *("merge", "--quiet", "--ff-only", "--no-autostash", "--no-stat", "--no-verify-signatures"),
    # Git's default overwrites what is ignored.
    "--no-overwrite-ignore",
)


class Forward:
    """One repository, its shadow, and the git that serves both."""

    def __init__(self, git: Git, place: GitPlace, shadow: Shadow, configuration: Configuration) -> None:
        self._git = git
        self._place = place
        self._shadow = shadow
        self._configuration = configuration
        self._top = os.fsdecode(place.top)

    def refuse_operation(self) -> None:
        """Raise ``PullSkipped`` while something is under way in the repository."""
        marks = [
            name for name in OPERATION_MARKS if os.path.lexists(self._place.git_dir + b"/" + name.encode())
        ]
        if (operation := under_way(marks)) is not None:
            raise PullSkipped(operation)

    def refuse_changes(self) -> None:
        """Raise ``PullSkipped`` where a tracked file, or what is staged, is not as HEAD has it.

        Submodules count by their commit only: to ask one for its changes, git would run what that one configures.
        """
        status = (
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=dirty",
            "--no-renames",
        )
        ended = self._git.run(status, self._shadow.real, self._top)
        if ended.code != 0:
            raise PullFailed(f"git cannot compare the work tree: {complaint(ended.err)}")
        if (reason := uncommitted(read_status(ended.out))) is not None:
            raise PullSkipped(reason)

    def fetch(self, upstream: Upstream, protocols: tuple[str, ...], tips: dict[str, str]) -> str:
        """Fetch the upstream's commit, and what it needs, into the quarantine; return it. Raises ``PullFailed``."""
        self._shadow.seed(tips)
        environment = self._shadow.fetching(self._ssh(), protocols)
        # In the top, for a path may be relative to it.
        ended = self._git.run([*_FETCH, upstream.url, f"+{upstream.ref}:{_FETCHED}"], environment, self._top)
        if ended.code != 0:
            unused = self._configuration.unused()
            note = f" (the repository's own {unused} is not used)" if unused else ""
            raise PullFailed(
                f"{upstream.remote} ({shown_url(upstream.url)}) cannot be fetched: {complaint(ended.err)}{note}; "
                f"try 'git fetch {upstream.remote}'"
            )
        return self._apart("rev-parse", "--verify", f"{_FETCHED}^{{commit}}").out.decode().strip()

    def compare(self, ours: str, theirs: str) -> Relation:
        """Return how two commits, the second of the quarantine, relate."""
        counted = self._apart("rev-list", "--left-right", "--count", f"{ours}...{theirs}", "--")
        return read_relation(counted.out)

    def refuse_filters(self, ours: str, theirs: str) -> None:
        """Raise ``PullSkipped`` where a file that changes passes through a filter that someone configured.

        A filter is a program. Without it the file would not be what git makes of it, and be taken for changed.
        """
        filters = self._configuration.filters()
        if not filters:
            return
        changed = self._apart("diff-tree", "-r", "-z", "--name-only", "--no-renames", ours, theirs)
        listed = self._shadow.quarantine / "changed"
        listed.write_bytes(changed.out)
        self._apart("read-tree", theirs)
        named = self._apart("check-attr", "--cached", "-z", "--stdin", "filter", source=listed)
        fields = named.out.split(b"\0")
        for path, value in zip(fields[::3], fields[2::3], strict=False):
            if value.decode(errors="surrogateescape") in filters:
                name = value.decode(errors="replace")
                raise PullSkipped(
                    f"{shown_path(path)} passes through the filter {name}, which is not run; pull it by hand"
                )

    def refuse_overwriting(self, ours: str, theirs: str) -> None:
        """Raise ``PullSkipped`` where the fast-forward would overwrite a file that git does not know, ignored or not.

        It is tried on a copy of the index, with the commits still in the quarantine.
        """
        index = self._shadow.quarantine / "index.trial"
        shutil.copyfile(self._place.git_dir + b"/index", index)
        trial = ("read-tree", "-m", "-u", "--dry-run", ours, theirs)
        ended = self._git.run(trial, self._shadow.borrowing(index), self._top)
        if ended.code != 0:
            raise PullSkipped(f"git would refuse: {complaint(ended.err)}")

    def take_over(self) -> None:
        """Store the fetched commit, and what it needs, in the repository; no reference moves. Raises ``PullFailed``."""
        taken = self._git.run(
            [*_FETCH, str(self._shadow.quarantine), f"+{_FETCHED}:"],
            {**self._shadow.real, "GIT_ALLOW_PROTOCOL": "file"},
            "/",
        )
        _expect(taken, "the fetched commits cannot be stored")

    def merge(self, theirs: str) -> None:
        """Fast-forward whatever branch is checked out. Raises ``PullFailed``; the tree is then as it was."""
        _expect(
            self._git.run([*_MERGE, theirs], self._shadow.real, self._top), "git refuses the fast-forward"
        )

    def track(self, upstream: Upstream, theirs: str) -> None:
        """Move the remote-tracking reference after the branch, or git would call the branch ahead of its upstream.

        Raises ``PullFailed``.
        """
        if not upstream.tracking or self._is_symbolic(upstream.tracking):
            return
        message = f"{self._shadow.real['GIT_REFLOG_ACTION']}: fast-forward"
        moved = self._git.run(
            ["update-ref", "--no-deref", "-m", message, upstream.tracking, theirs], self._shadow.real, "/"
        )
        _expect(
            moved, f"the branch is forwarded, but not {upstream.name} ('git fetch {upstream.remote}' does it)"
        )

    def _is_symbolic(self, ref: str) -> bool:
        """Whether a reference stands for another, which is then what would move."""
        return self._git.run(["symbolic-ref", "--quiet", ref], self._shadow.real, "/").code == 0

    def _ssh(self) -> str:
        """The user's own ssh command, or ssh, made to ask nothing; another program than ssh has no such options."""
        command = self._configuration.of_user("core.sshcommand") or "ssh"
        program = command.split()[:1]
        return f"{command} {_SSH_OPTIONS}" if program and Path(program[0]).name == "ssh" else command

    def _apart(self, *arguments: str, source: Path | None = None) -> Ended:
        ended = self._git.run(arguments, self._shadow.apart, "/", source)
        _expect(ended, f"'git {arguments[0]}' failed on what was fetched")
        return ended


def _expect(ended: Ended, otherwise: str) -> None:
    if ended.code != 0:
        raise PullFailed(f"{otherwise}: {complaint(ended.err) or f'exit code {ended.code}'}")
