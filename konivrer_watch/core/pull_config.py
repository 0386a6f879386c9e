"""What a repository's configuration means for a pull.

It is data: no git that touches the repository reads it. Of all keys only those named here have an effect, so a key
that runs a program, known today or not, has none.
"""

import re
from collections.abc import Sequence

import msgspec

from konivrer_watch.core.pull import PullSkipped, without_secrets

_OWNERS = frozenset({"system", "global"})
# What they say about the work tree and the index has to hold, or git would see changes that are none.
_KEPT = (
    *("core.filemode", "core.symlinks", "core.ignorecase", "core.precomposeunicode"),
    *("core.autocrlf", "core.eol", "core.attributesfile", "core.bigfilethreshold"),
    *("core.sparsecheckout", "core.sparsecheckoutcone", "index.sparse", "core.splitindex"),
    *("core.sharedrepository", "core.logallrefupdates", "user.name", "user.email"),
)
_HARMLESS_EXTENSIONS = frozenset(
    {"noop", "noop-v1", "worktreeconfig", "relativeworktrees", "preciousobjects"}
)
# Keys of a repository that its owner may need to reach the remote, and that could run a program or lead astray.
_CONNECTING = re.compile(
    r"http\.|credential\.|core\.(sshcommand|gitproxy|askpass)$|remote\..*\.(uploadpack|proxy)$"
    r"|url\..*\.insteadof$|ssh\.|protocol\.",
    re.DOTALL,
)
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[/.]$")
_SCHEME = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]*)(://|::)")
_SSH_NAMES = {"git+ssh": "ssh", "ssh+git": "ssh"}
_LONGEST_URL = 200
_PLAIN = ("http", "git")


class Entry(msgspec.Struct, frozen=True):
    """One value of one key, and the scope it is from (git-config(1), ``--show-scope``).

    Section and last part of a key are in lower case. What is no UTF-8 has surrogate escapes (PEP 383).
    """

    scope: str
    key: str
    value: str


class Upstream(msgspec.Struct, frozen=True):
    """Where a branch is pulled from. ``tracking`` is the reference that remembers it here, if there is one."""

    remote: str
    url: str
    ref: str
    tracking: str | None

    @property
    def name(self) -> str:
        """The remote's branch as people write it."""
        return f"{self.remote}/{self.ref.removeprefix('refs/heads/')}"


class Configuration(msgspec.Struct, frozen=True):
    """A repository's effective configuration, in git's order: the last value of a key wins."""

    entries: tuple[Entry, ...]

    def values(self, key: str) -> list[str]:
        """Return every value of a key, lowest first."""
        return [entry.value for entry in self.entries if entry.key == key]

    def last(self, key: str) -> str | None:
        """Return the value that holds."""
        values = self.values(key)
        return values[-1] if values else None

    def is_true(self, key: str) -> bool:
        """Whether the value that holds is one of git's words for yes."""
        return (self.last(key) or "").lower() in {"true", "yes", "on", "1"}

    def of_user(self, key: str) -> str | None:
        """Return the value that the user's own or the system's configuration gives a key."""
        values = [each.value for each in self.entries if each.key == key and each.scope in _OWNERS]
        return values[-1] if values else None

    def plain_protocols(self) -> tuple[str, ...]:
        """Return the unencrypted protocols that the user allows by name (git-config(1), ``protocol.<name>.allow``)."""
        return tuple(name for name in _PLAIN if self.of_user(f"protocol.{name}.allow") == "always")

    def kept(self) -> dict[str, str]:
        """Return the settings under which the work tree is to be read and written."""
        found = {key: self.last(key) for key in _KEPT}
        return {key: value for key, value in found.items() if value is not None}

    def filters(self) -> frozenset[str]:
        """Return the names of the filter drivers that anyone configured (gitattributes(5), ``filter``)."""
        keys = [each.key.split(".") for each in self.entries if each.key.startswith("filter.")]
        return frozenset(".".join(parts[1:-1]) for parts in keys if len(parts) > 2)

    def unused(self) -> str | None:
        """Return the first key by which the repository would change how it is reached, if there is one."""
        ours = (each.key for each in self.entries if each.scope not in _OWNERS)
        return next((key for key in ours if _CONNECTING.match(key)), None)


def read_entries(output: bytes) -> Configuration:
    """Read ``git config --null --list --show-scope``. A key without a value is true (git-config(1))."""
    parts = output.split(b"\0")
    entries = []
    for scope, item in zip(parts[::2], parts[1::2], strict=False):
        key, found, value = item.partition(b"\n")
        entries.append(Entry(scope.decode(), _text(key), _text(value) if found else "true"))
    return Configuration(tuple(entries))


def refuse_format(configuration: Configuration) -> None:
    """Raise ``PullSkipped`` for a repository that is stored in a way the pull does not know."""
    # Git leaves out what it has for a repository whose format or extensions it does not know.
    if all(each.scope in _OWNERS for each in configuration.entries):
        raise PullSkipped("git does not know the repository's format, or finds no configuration in it")
    if (configuration.last("core.repositoryformatversion") or "0") not in {"0", "1"}:
        raise PullSkipped("the repository has a format that is not known here")
    promisors = [each.key for each in configuration.entries if each.key.startswith("remote.")]
    if any(key.endswith(".promisor") for key in promisors) or configuration.values("extensions.partialclone"):
        raise PullSkipped("it is a partial clone, which git completes by programs of the repository's choice")
    for entry in configuration.entries:
        section, _, name = entry.key.partition(".")
        if section != "extensions" or name in _HARMLESS_EXTENSIONS:
            continue
        if (name, entry.value) not in {("objectformat", "sha1"), ("refstorage", "files")}:
            raise PullSkipped(f"the repository uses an extension that is not handled: {name} = {entry.value}")


def find_upstream(configuration: Configuration, branch: str, protocols: Sequence[str]) -> Upstream:
    """Return what a branch (its short name) is pulled from. Raises ``PullSkipped``."""
    remote = configuration.last(f"branch.{branch}.remote")
    merges = configuration.values(f"branch.{branch}.merge")
    if not remote or not merges:
        raise PullSkipped(f"branch {branch} has no upstream; 'git branch --set-upstream-to' gives it one")
    if remote == ".":
        raise PullSkipped(f"branch {branch} follows a local branch, {merges[-1]}")
    if len(merges) > 1:
        raise PullSkipped(f"branch {branch} has several upstreams")
    if not is_ref_name(merges[0]):
        raise PullSkipped(f"branch {branch} has an upstream that is no reference: {merges[0]}")
    urls = configuration.values(f"remote.{remote}.url")
    if helper := configuration.last(f"remote.{remote}.vcs"):
        raise PullSkipped(f"the remote {remote} needs the helper {helper}, which is not run")
    if not urls or not urls[0]:
        raise PullSkipped(f"the remote {remote} has no URL")
    protocol = protocol_of(_rewritten(configuration, urls[0]))
    if protocol not in protocols:
        allowed = ", ".join(protocols)
        raise PullSkipped(
            f"the remote {remote} is reached by {protocol}, which is not allowed ({allowed} are; your own "
            f"'git config --global protocol.{protocol}.allow always' allows http and git)"
        )
    refspecs = configuration.values(f"remote.{remote}.fetch")
    return Upstream(remote, urls[0], merges[0], tracking_ref(refspecs, merges[0]))


def tracking_ref(refspecs: Sequence[str], ref: str) -> str | None:
    """Return the remote-tracking reference that the refspecs (git-fetch(1)) give ``ref``, if any.

    What does not lie in ``refs/remotes/`` is none: a pull must not move a branch or a tag by that way.
    """
    found: str | None = None
    for refspec in refspecs:
        if refspec.startswith("^"):
            if _matched(refspec[1:], ref) is not None:
                return None
            continue
        source, _, target = refspec.removeprefix("+").partition(":")
        middle = _matched(source, ref)
        if middle is not None and target and found is None:
            found = target.replace("*", middle, 1)
    return found if found and found.startswith("refs/remotes/") and is_ref_name(found) else None


def _matched(pattern: str, ref: str) -> str | None:
    """What the pattern's star stands for, empty without one; ``None`` where it does not match."""
    before, star, after = pattern.partition("*")
    if not star:
        return "" if pattern == ref else None
    fits = len(ref) >= len(before) + len(after) and ref.startswith(before) and ref.endswith(after)
    return ref[len(before) : len(ref) - len(after)] if fits else None


def is_ref_name(name: str) -> bool:
    """Whether a name is one that a reference below ``refs/`` may have (git-check-ref-format(1))."""
    return name.startswith("refs/") and name.count("/") > 1 and not _BAD_IN_REF.search(name)


def protocol_of(url: str) -> str:
    """Return the protocol by git's name (git-fetch(1), "GIT URLS"), or the name of the helper that a URL asks for."""
    match = _SCHEME.match(url)
    if match is not None:
        scheme = match[1].lower() if match[2] == "://" else match[1]
        return _SSH_NAMES.get(scheme, scheme)
    before_colon, colon, _ = url.partition(":")
    return "file" if not colon or "/" in before_colon else "ssh"


def _rewritten(configuration: Configuration, url: str) -> str:
    """The URL as git reaches it under the user's own ``url.<base>.insteadOf``; the repository's has no say."""
    bases: dict[str, str] = {}
    for entry in configuration.entries:
        if entry.scope in _OWNERS and entry.key.startswith("url.") and entry.key.endswith(".insteadof"):
            bases.setdefault(entry.value, entry.key[4:-10])
    fitting = max((prefix for prefix in bases if prefix and url.startswith(prefix)), key=len, default=None)
    return url if fitting is None else bases[fitting] + url[len(fitting) :]


def shown_url(url: str) -> str:
    """Return a URL for people: without user and password, and of bounded length."""
    text = without_secrets(url)
    return text if len(text) <= _LONGEST_URL else f"{text[: _LONGEST_URL - 1]}…"


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
