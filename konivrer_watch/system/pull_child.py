"""The pull's child process: one request on standard input, steps and one result on standard output, a line each.

It is started as ``python -I -m konivrer_watch.system.pull_child`` in ``/``, as the leader of a process group that its
parent ends as a whole. Where the parent is gone, which closes standard input, it ends the group itself; a
fast-forward that has begun is let finish.
"""

import fcntl
import os
import signal
import threading
from pathlib import Path

import msgspec

from konivrer_watch.core.pull import (
    PullFailed,
    PullOutcome,
    PullRequest,
    PullResult,
    PullSkipped,
    PullStep,
    commits,
)
from konivrer_watch.core.pull_config import Upstream, find_upstream, refuse_format, shown_url
from konivrer_watch.system.git import find_git
from konivrer_watch.system.git_config import read_configuration, refuse_links, refuse_place, refuse_work_tree
from konivrer_watch.system.git_forward import Forward
from konivrer_watch.system.git_head import Head, HeadReader
from konivrer_watch.system.git_run import Git, user_environment
from konivrer_watch.system.git_shadow import Shadow
from konivrer_watch.system.record import now_text

_LONGEST_REASON = 600
_LONGEST_REQUEST = 1 << 20


class _Parent:
    """Whom we answer."""

    def __init__(self) -> None:
        self._sink = os.dup(1)
        # What a library prints must not end up between two lines.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        self._applying = False

    def request(self) -> PullRequest:
        """Wait for the request; from then on end with whoever sent it."""
        data = b""
        while not data.endswith(b"\n") and len(data) < _LONGEST_REQUEST:
            more = os.read(0, 65536)
            if not more:
                break
            data += more
        threading.Thread(target=self._end_with_it, daemon=True).start()
        return msgspec.json.decode(data, type=PullRequest)

    def tell(self, line: PullStep | PullResult) -> None:
        """Send one line."""
        self._applying = isinstance(line, PullStep) and line.applying
        os.write(self._sink, msgspec.json.encode(line) + b"\n")

    def _end_with_it(self) -> None:
        while os.read(0, 4096):
            pass
        if not self._applying:
            os.killpg(0, signal.SIGKILL)


class _Pull:
    """One pull, and what is known of it so far."""

    def __init__(self, request: PullRequest, parent: _Parent) -> None:
        self._request = request
        self._parent = parent
        self.before: str | None = None

    def run(self) -> PullResult:
        """Do what is due. Raises ``PullSkipped``, ``PullFailed`` or ``OSError``."""
        _claim(self._request.folder)
        # The service's own umask is for its own files; the user's are as open as the root is.
        os.umask(~os.stat(self._request.root).st_mode & 0o077)
        self._late("the configuration could not be read")
        place = refuse_place(self._request.root, find_git(self._request.root))
        git = Git(user_environment(os.environ, os.fsdecode(place.top)))
        configuration = read_configuration(git, place)
        refuse_work_tree(place, configuration)
        refuse_format(configuration)
        self._late("the work tree could not be compared with HEAD")
        shadow = Shadow(Path(os.fsdecode(self._request.folder)), place, configuration)
        forward = Forward(git, place, shadow, configuration)
        forward.refuse_operation()
        reader = HeadReader(git.program, {**git.environment, **shadow.real})
        head = reader.head()
        self.before = head.commit
        protocols = (*self._request.protocols, *configuration.plain_protocols())
        upstream = find_upstream(configuration, head.branch, protocols)
        refuse_links(place, [head.ref, *([upstream.tracking] if upstream.tracking else [])])
        forward.refuse_changes()

        self._late(f"the remote {upstream.remote} ({shown_url(upstream.url)}) did not answer")
        tracked = reader.commit(upstream.tracking) if upstream.tracking else None
        tips = {"head": head.commit} | ({"tracked": tracked} if tracked else {})
        theirs = forward.fetch(upstream, protocols, tips)

        self._late("what was fetched could not be compared")
        relation = forward.compare(head.commit, theirs)
        if relation.behind == 0:
            more = f" ({commits(relation.ahead)} ahead)" if relation.ahead else ""
            return self._result(PullOutcome.CURRENT, f"nothing new on {upstream.name}{more}", head.commit)
        if relation.ahead:
            raise PullSkipped(
                f"diverged from {upstream.name}: {relation.ahead:,} ahead, {relation.behind:,} behind"
            )
        forward.refuse_filters(head.commit, theirs)
        forward.refuse_overwriting(head.commit, theirs)
        forward.refuse_operation()
        if reader.head() != head:
            raise PullSkipped("HEAD moved meanwhile")
        self._parent.tell(PullStep("the fast-forward did not finish", applying=True))
        forward.take_over()
        forward.refuse_operation()
        forward.refuse_changes()
        # Git forwards whatever branch is checked out when it runs: between this look and its own are milliseconds.
        if reader.head() != head:
            raise PullSkipped("HEAD moved meanwhile")
        forward.merge(theirs)
        _finish(forward, reader, head, upstream, theirs)
        span = f"{head.commit[:12]}..{theirs[:12]}"
        return self._result(
            PullOutcome.UPDATED, f"{span}, {commits(relation.behind)} from {upstream.name}", theirs
        )

    def _late(self, words: str) -> None:
        self._parent.tell(PullStep(_plain(words)))

    def _result(self, outcome: PullOutcome, reason: str, after: str | None) -> PullResult:
        return PullResult(outcome, _plain(reason), now_text(), self.before, after)

    def answer(self) -> PullResult:
        """Return the result, whatever comes of it."""
        try:
            return self.run()
        except PullSkipped as error:
            return self._result(PullOutcome.SKIPPED, str(error), self.before)
        except (PullFailed, OSError) as error:
            return self._result(PullOutcome.FAILED, str(error), self.before)


def _claim(folder: bytes) -> None:
    """Lock the folder until this process ends: a fast-forward may outlive the parent, and needs it.

    Raises ``PullFailed`` where another has it.
    """
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PullFailed("an earlier pull is still at its fast-forward") from None


def _finish(forward: Forward, reader: HeadReader, head: Head, upstream: Upstream, theirs: str) -> None:
    """Let the upstream's reference follow the branch. Raises ``PullFailed`` where another branch came between."""
    moved = head.branch if reader.commit(head.ref) == theirs else None
    if moved:
        forward.track(upstream, theirs)
    try:
        now = reader.head().branch
    except PullSkipped:
        now = "no branch"
    if moved is None or now != head.branch:
        moved = moved or (
            now if reader.commit("HEAD") == theirs else "a branch that is no longer checked out"
        )
        raise PullFailed(
            f"HEAD left {head.branch} during the fast-forward, and is on {now}; "
            f"{moved} moved to {theirs[:12]} (see 'git reflog')"
        )


def _plain(text: str) -> str:
    """Text that JSON can hold, of bounded length: what was no UTF-8 is written ``\\xNN``."""
    data = text.encode(errors="surrogateescape")
    return data.decode(errors="backslashreplace")[:_LONGEST_REASON]


def main() -> None:
    """Answer one request."""
    parent = _Parent()
    parent.tell(_Pull(parent.request(), parent).answer())


if __name__ == "__main__":
    main()
