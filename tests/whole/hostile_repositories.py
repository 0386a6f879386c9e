"""Configurations by which a repository has git run a program, or write where it should not, each with our answer."""

import msgspec

from konivrer_watch.core.pull import PullOutcome
from tests.whole.hostile_arrangements import (
    Arrange,
    alternates,
    attributed,
    attributes_file,
    autostash,
    committed_attributes,
    configured,
    editor,
    elsewhere,
    foreign_url,
    hooked,
    hooks_included,
    hooks_path,
    included,
    injected_ref,
    injected_tracking,
    legacy_remote,
    linked_index,
    linked_log,
    linked_logs,
    merge_driver,
    packing_hook,
    rebasing,
    remote_at,
    signed,
    submodule_monitor,
    submodule_recursion,
    submodule_update,
    symbolic_tracking,
    user_hooks,
    worktree_config,
)

UPDATED, SKIPPED, FAILED = PullOutcome.UPDATED, PullOutcome.SKIPPED, PullOutcome.FAILED
NOWHERE = "127.0.0.1:9"


class Hostile(msgspec.Struct, frozen=True):
    """How a repository is made hostile, and what a pull says.

    ``plain`` is a git command that runs the canary there: without one a test would prove nothing.
    """

    arrange: Arrange
    outcome: PullOutcome
    words: str = ""
    plain: tuple[str, ...] = ()


EXT = '[protocol "ext"]\n\tallow = always'
FILTERED = "a.py passes through the filter evil"
REPOSITORIES: dict[str, Hostile] = {
    "core.fsmonitor": Hostile(configured("[core]\n\tfsmonitor = CANARY"), UPDATED, "", ("status",)),
    "core.hooksPath": Hostile(hooks_path, UPDATED, "", ("pull",)),
    "hooks/post-merge": Hostile(hooked("post-merge"), UPDATED, "", ("pull",)),
    "hooks/reference-transaction": Hostile(hooked("reference-transaction"), UPDATED, "", ("fetch",)),
    "hooks/post-index-change": Hostile(hooked("post-index-change"), UPDATED, "", ("pull",)),
    "remote.*.uploadpack": Hostile(
        configured('[remote "origin"]\n\tuploadpack = CANARY'), UPDATED, "", ("fetch",)
    ),
    "remote.*.vcs": Hostile(
        remote_at("CANARY", f'[remote "origin"]\n\tvcs = ext\n{EXT}'),
        SKIPPED,
        "needs the helper ext",
        ("fetch",),
    ),
    "remote.*.url = ext::": Hostile(remote_at("ext::CANARY", EXT), SKIPPED, "reached by ext", ("fetch",)),
    "branch.*.remote = ext::": Hostile(foreign_url, SKIPPED, "has no URL", ("fetch",)),
    "url.*.insteadOf": Hostile(
        remote_at("gone:x", f'[url "ext::CANARY "]\n\tinsteadOf = gone:\n{EXT}'),
        FAILED,
        "insteadof is not used",
        ("fetch",),
    ),
    "protocol.ext.allow": Hostile(
        remote_at("ext::sh -c CANARY", EXT), SKIPPED, "which is not allowed", ("fetch",)
    ),
    "remotes/origin": Hostile(legacy_remote, SKIPPED, "has no URL", ("fetch",)),
    "an option for a URL": Hostile(remote_at("--upload-pack=CANARY"), FAILED, "cannot be fetched"),
    "an option for a host": Hostile(
        remote_at("ssh://-oProxyCommand=CANARY/x"), FAILED, "strange hostname", ()
    ),
    "core.sshCommand": Hostile(
        remote_at(f"ssh://{NOWHERE}/x", "[core]\n\tsshCommand = CANARY"),
        FAILED,
        "the repository's own core.sshcommand is not used",
        ("fetch",),
    ),
    "core.gitProxy": Hostile(
        remote_at(f"git://{NOWHERE}/x", "[core]\n\tgitProxy = CANARY"),
        FAILED,
        "the repository's own core.gitproxy is not used",
        ("fetch",),
    ),
    "core.alternateRefsCommand": Hostile(alternates, UPDATED, "", ("fetch",)),
    "filter.*.smudge": Hostile(
        attributed("filter=evil", '[filter "evil"]\n\tsmudge = CANARY'), SKIPPED, FILTERED, ("pull",)
    ),
    "filter.*.clean": Hostile(
        attributed("filter=evil", '[filter "evil"]\n\tclean = CANARY\n\tsmudge = CANARY'),
        SKIPPED,
        FILTERED,
        ("hash-object", "a.py"),
    ),
    "filter.*.process": Hostile(
        attributed("filter=evil", '[filter "evil"]\n\tprocess = CANARY\n\trequired = true'),
        SKIPPED,
        FILTERED,
        ("pull",),
    ),
    "core.attributesFile": Hostile(attributes_file, SKIPPED, "passes through the filter evil", ("pull",)),
    ".gitattributes": Hostile(committed_attributes, SKIPPED, "passes through the filter evil", ("pull",)),
    "diff.external": Hostile(
        configured("[diff]\n\texternal = CANARY"), UPDATED, "", ("diff", "HEAD", "HEAD^{tree}:sub")
    ),
    "diff.*.textconv": Hostile(
        attributed("diff=evil", '[diff "evil"]\n\ttextconv = CANARY\n\tcommand = CANARY'),
        UPDATED,
        "",
        ("diff", "HEAD", "HEAD:sub"),
    ),
    "merge.*.driver": Hostile(merge_driver, SKIPPED, "diverged", ("pull", "--no-rebase")),
    "gpg.program": Hostile(signed, UPDATED, "", ("pull",)),
    "core.editor": Hostile(editor, SKIPPED, "diverged", ("commit", "--amend")),
    "core.pager": Hostile(
        configured(
            "[core]\n\tpager = CANARY\n[pager]\n\tstatus = CANARY\n\tconfig = CANARY\n\tmerge = CANARY"
        ),
        UPDATED,
    ),
    "alias.*": Hostile(
        configured("[alias]\n" + "".join(f"\t{name} = !CANARY\n" for name in ("fetch", "x", "status"))),
        UPDATED,
        "",
        ("x",),
    ),
    "include.path": Hostile(included("[include]"), UPDATED, "", ("status",)),
    "include.path of hooks": Hostile(hooks_included, UPDATED, "", ("pull",)),
    "includeIf.gitdir": Hostile(included('[includeIf "gitdir:**/.git"]'), UPDATED, "", ("status",)),
    "includeIf.onbranch": Hostile(included('[includeIf "onbranch:main"]'), UPDATED, "", ("status",)),
    "extensions.worktreeConfig": Hostile(worktree_config, UPDATED, "", ("status",)),
    "submodule: core.fsmonitor": Hostile(submodule_monitor, UPDATED, "", ("status",)),
    "submodule.recurse": Hostile(submodule_recursion, UPDATED, "", ("fetch",)),
    "submodule.*.update": Hostile(submodule_update, SKIPPED, "sub/module", ("submodule", "update")),
    "uploadpack.packObjectsHook": Hostile(packing_hook, UPDATED),
    "merge.autoStash": Hostile(autostash, SKIPPED, "uncommitted changes of a.py"),
    "pull.rebase": Hostile(rebasing, SKIPPED, "diverged"),
    "core.worktree": Hostile(elsewhere, SKIPPED, "work tree is elsewhere"),
    "branch.*.merge with a target": Hostile(injected_ref, SKIPPED, "no reference"),
    "remote.*.fetch into branches": Hostile(injected_tracking, UPDATED),
    "logs/HEAD elsewhere": Hostile(linked_log("HEAD"), SKIPPED, "logs/HEAD is a symbolic link"),
    "logs/refs/heads/main elsewhere": Hostile(linked_log("refs/heads/main"), SKIPPED, "is a symbolic link"),
    "logs/refs/remotes elsewhere": Hostile(
        linked_log("refs/remotes/origin/main"), SKIPPED, "is a symbolic link"
    ),
    "logs elsewhere": Hostile(linked_logs, SKIPPED, "logs is a symbolic link"),
    "index elsewhere": Hostile(linked_index, SKIPPED, "index is a symbolic link"),
    "refs/remotes/* symbolic": Hostile(symbolic_tracking, UPDATED),
    "the user's own hooks": Hostile(user_hooks, UPDATED, "", ("pull",)),
}
