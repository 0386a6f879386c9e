"""Reads HEAD and references through GitPython; nobody else imports it, and only the pull's child process imports this.

GitPython takes the directories from the environment, so it reads the shadow's configuration, not the repository's.
"""

import os
from collections.abc import Mapping

import msgspec

from konivrer_watch.core.pull import PullFailed, PullSkipped


class Head(msgspec.Struct, frozen=True):
    """The branch that HEAD is on, as a whole reference, and its commit."""

    ref: str
    commit: str

    @property
    def branch(self) -> str:
        """The branch's short name."""
        return self.ref.removeprefix("refs/heads/")


class HeadReader:
    """A repository as GitPython sees it under an environment, which this process has from then on."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        """Open it. Raises ``PullFailed`` where GitPython is missing or finds no repository."""
        os.environ.clear()
        os.environ.update(environment, GIT_PYTHON_GIT_EXECUTABLE=program)
        try:
            import git
        except ImportError as error:
            raise PullFailed(f"GitPython cannot be used: {error}") from error
        try:
            self._repo = git.Repo(expand_vars=False)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError, OSError) as error:
            raise PullFailed(f"GitPython cannot open the repository: {error}") from error

    def head(self) -> Head:
        """Return the branch and commit that are checked out. Raises ``PullSkipped`` where either is missing."""
        try:
            ref = str(self._repo.head.reference.path)
        except TypeError:
            raise PullSkipped("HEAD is detached: no branch is checked out") from None
        except UnicodeDecodeError:
            raise PullSkipped("HEAD's branch has a name that is not UTF-8") from None
        except (ValueError, AssertionError, OSError) as error:
            raise PullFailed(f"HEAD cannot be read: {error}") from error
        if not ref.startswith("refs/heads/"):
            raise PullSkipped(f"HEAD is on {ref}, which is no branch")
        commit = self.commit(ref)
        if commit is None:
            raise PullSkipped(f"branch {ref.removeprefix('refs/heads/')} has no commit yet")
        return Head(ref, commit)

    def commit(self, ref: str) -> str | None:
        """Return the commit of a reference; ``None`` where it does not exist or leads to none.

        By git itself: GitPython takes references behind the shadow's link for some outside of the repository.
        """
        from git import GitCommandError

        try:
            return str(self._repo.git.rev_parse("--verify", "--quiet", f"{ref}^{{commit}}"))
        except GitCommandError:
            return None
