"""Reads what a repository and its user configured. Reading runs nothing, whatever the keys are."""

import os
from collections.abc import Iterable

from konivrer_watch.core.pull import PullFailed, PullSkipped, complaint
from konivrer_watch.core.pull_config import Configuration, read_entries
from konivrer_watch.system.git import GitPlace
from konivrer_watch.system.git_run import Git


def read_configuration(git: Git, place: GitPlace) -> Configuration:
    """Return the effective configuration, as git itself includes and layers its files.

    This is the only git that reads the repository's own. Raises ``PullFailed`` where it cannot be read.
    """
    where = {"GIT_DIR": os.fsdecode(place.git_dir), "GIT_WORK_TREE": os.fsdecode(place.top)}
    ended = git.run(["config", "--null", "--list", "--show-scope"], where, "/")
    if ended.code != 0:
        raise PullFailed(f"git cannot read the configuration: {complaint(ended.err)}")
    return read_entries(ended.out)


def refuse_place(root: bytes, place: GitPlace | None) -> GitPlace:
    """Return the place if ``root`` is the top of a work tree that is all ours. Raises ``PullSkipped``."""
    if place is None:
        raise PullSkipped("the root is in no git work tree")
    if place.top != root:
        raise PullSkipped(f"the root is not the top of its work tree, which is {_shown(place.top)}")
    for path in _owned(place):
        if os.lstat(path).st_uid != os.geteuid():
            raise PullSkipped(f"{_shown(path)} belongs to another user")
    return place


def refuse_work_tree(place: GitPlace, configuration: Configuration) -> None:
    """Raise ``PullSkipped`` where the configuration says that the work tree is another, or that there is none."""
    if place.git_dir == place.common_dir and configuration.is_true("core.bare"):
        raise PullSkipped("the repository is bare (core.bare)")
    configured = configuration.last("core.worktree")
    if configured is None:
        return
    meant = os.path.realpath(os.path.join(place.git_dir, os.fsencode(configured)))
    if meant != os.path.realpath(place.top):
        raise PullSkipped(f"the repository's work tree is elsewhere (core.worktree = {configured})")


def refuse_links(place: GitPlace, refs: Iterable[str]) -> None:
    """Raise ``PullSkipped`` where a file that a fast-forward of ``refs`` writes is, or is reached by, a symbolic link.

    Git follows it, and would append a line with the repository's own words to any file of the user's as to a log.
    """
    names = [os.fsencode(each) for each in refs]
    shared = [b"packed-refs", b"objects/pack", *names, *(b"logs/" + name for name in names)]
    own = [b"index", b"ORIG_HEAD", b"logs/HEAD"]
    for base, paths in ((place.git_dir, own), (place.common_dir, shared)):
        for path in paths:
            reached = base
            for part in path.split(b"/"):
                reached += b"/" + part
                if os.path.islink(reached):
                    raise PullSkipped(f"{_shown(reached)} is a symbolic link")


def _owned(place: GitPlace) -> Iterable[bytes]:
    return dict.fromkeys((place.top, place.top + b"/.git", place.git_dir, place.common_dir))


def _shown(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
