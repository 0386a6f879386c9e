"""Ways in which a clone is made hostile. ``CANARY`` in a configuration stands for the canary's path."""

from collections.abc import Callable

from tests.git_trees import GitTree, make_submodule

Arrange = Callable[[GitTree], None]


def configured(text: str) -> Arrange:
    """Arrange by configuration alone."""
    return lambda tree: tree.configure(text)


def hooked(name: str) -> Arrange:
    """Arrange by one hook."""
    return lambda tree: tree.hook(name)


def attributed(attribute: str, text: str) -> Arrange:
    """Arrange by an attribute of ``a.py``, which the pull changes, and what it stands for."""

    def arrange(tree: GitTree) -> None:
        (tree.clone / ".git/info").mkdir(exist_ok=True)
        (tree.clone / ".git/info/attributes").write_text(f"a.py {attribute}\n")
        tree.configure(text)

    return arrange


def remote_at(url: str, text: str = "") -> Arrange:
    """Arrange by another URL for the remote."""

    def arrange(tree: GitTree) -> None:
        tree.git("config", "remote.origin.url", url.replace("CANARY", str(tree.canary)))
        tree.configure(text)

    return arrange


def hooks_path(tree: GitTree) -> None:
    tree.hook("post-merge", tree.folder / "hooks")
    tree.configure(f"[core]\n\thooksPath = {tree.folder}/hooks")


def included(section: str) -> Arrange:
    def arrange(tree: GitTree) -> None:
        (tree.clone / ".git/more").write_text(f"[core]\n\tfsmonitor = {tree.canary}\n")
        tree.configure(f"{section}\n\tpath = more")

    return arrange


def hooks_included(tree: GitTree) -> None:
    tree.hook("post-merge", tree.folder / "hooks")
    (tree.folder / "more").write_text(f"[core]\n\thooksPath = {tree.folder}/hooks\n")
    tree.configure(f"[include]\n\tpath = {tree.folder}/more")


def worktree_config(tree: GitTree) -> None:
    tree.configure("[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tworktreeConfig = true")
    (tree.clone / ".git/config.worktree").write_text(f"[core]\n\tfsmonitor = {tree.canary}\n")


def attributes_file(tree: GitTree) -> None:
    (tree.folder / "attributes").write_text("*.py filter=evil\n")
    tree.configure(f'[core]\n\tattributesFile = {tree.folder}/attributes\n[filter "evil"]\n\tsmudge = CANARY')


def committed_attributes(tree: GitTree) -> None:
    tree.push({".gitattributes": "*.py filter=evil\n", "a.py": "3\n"})
    tree.configure('[filter "evil"]\n\tsmudge = CANARY')


def alternates(tree: GitTree) -> None:
    tree.git("clone", "-q", "--bare", tree.remote, tree.folder / "other.git", cwd=tree.folder)
    (tree.clone / ".git/objects/info").mkdir(exist_ok=True)
    (tree.clone / ".git/objects/info/alternates").write_text(f"{tree.folder}/other.git/objects\n")
    tree.configure("[core]\n\talternateRefsCommand = CANARY")
    # With all of its objects at hand, a plain fetch would not look for more.
    tree.push({"d.py": ""})


def merge_driver(tree: GitTree) -> None:
    attributed("merge=evil", '[merge "evil"]\n\tdriver = CANARY')(tree)
    tree.commit(tree.clone, {"a.py": "mine\n"})


def editor(tree: GitTree) -> None:
    tree.configure("[core]\n\teditor = CANARY\n[sequence]\n\teditor = CANARY\n[pull]\n\trebase = interactive")
    tree.commit(tree.clone, {"mine.py": ""})


def signed(tree: GitTree) -> None:
    """The remote's commit bears a signature, so that verifying it runs a program."""
    lines = tree.git("cat-file", "commit", "main", cwd=tree.remote).split("\n")
    end = lines.index("")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----"
    (tree.folder / "commit").write_text("\n".join([*lines[:end], signature, *lines[end:]]) + "\n")
    made = tree.git("hash-object", "-t", "commit", "-w", str(tree.folder / "commit"), cwd=tree.remote)
    tree.git("update-ref", "refs/heads/main", made, cwd=tree.remote)
    tree.configure(
        "[gpg]\n\tprogram = CANARY\n[merge]\n\tverifySignatures = true\n[log]\n\tshowSignature = true"
    )


def autostash(tree: GitTree) -> None:
    tree.configure("[merge]\n\tautoStash = true\n[rebase]\n\tautoStash = true")
    (tree.clone / "a.py").write_text("mine\n")


def rebasing(tree: GitTree) -> None:
    tree.configure("[pull]\n\trebase = true\n[rebase]\n\tautoStash = true")
    tree.commit(tree.clone, {"a.py": "mine\n"})


def submodule_monitor(tree: GitTree) -> None:
    make_submodule(tree)
    tree.git("config", "core.fsmonitor", str(tree.canary), cwd=tree.clone / "sub/module")


def submodule_recursion(tree: GitTree) -> None:
    make_submodule(tree)
    module = tree.clone / "sub/module"
    tree.git("config", "remote.origin.uploadpack", str(tree.canary), cwd=module)
    tree.configure("[submodule]\n\trecurse = true\n[fetch]\n\trecurseSubmodules = true")


def submodule_update(tree: GitTree) -> None:
    make_submodule(tree)
    # A commit of the submodule that is not checked out there is what is updated.
    tree.git("commit", "-q", "--allow-empty", "-m", "elsewhere", cwd=tree.clone / "sub/module")
    tree.configure('[submodule]\n\trecurse = true\n[submodule "sub/module"]\n\tupdate = !CANARY')


def legacy_remote(tree: GitTree) -> None:
    tree.git("config", "--unset", "remote.origin.url")
    (tree.clone / ".git/remotes").mkdir()
    (tree.clone / ".git/remotes/origin").write_text(f"URL: ext::{tree.canary}\nPull: refs/heads/main\n")
    tree.configure('[protocol "ext"]\n\tallow = always')


def packing_hook(tree: GitTree) -> None:
    with open(tree.remote / "config", "a") as file:
        file.write(f"[uploadpack]\n\tpackObjectsHook = {tree.canary}\n[core]\n\tfsmonitor = {tree.canary}\n")


def foreign_url(tree: GitTree) -> None:
    tree.git("config", "branch.main.remote", f"ext::{tree.canary}")
    tree.configure('[protocol "ext"]\n\tallow = always')


def injected_ref(tree: GitTree) -> None:
    tree.git("config", "branch.main.merge", "refs/heads/main:refs/heads/victim")


def injected_tracking(tree: GitTree) -> None:
    tree.git("config", "remote.origin.fetch", "+refs/heads/*:refs/heads/x/*")


def elsewhere(tree: GitTree) -> None:
    (tree.folder / "victim").mkdir()
    tree.git("config", "core.worktree", tree.folder / "victim")


def user_hooks(tree: GitTree) -> None:
    """Even the user's own hooks are none of a watcher's."""
    tree.hook("post-merge", tree.folder / "hooks")
    tree.git("config", "--global", "core.hooksPath", tree.folder / "hooks")
    tree.git("config", "--global", "core.fsmonitor", tree.canary)


def linked_log(name: str) -> Arrange:
    """A log of references that leads to a file of the user's, which would get a line of the repository's words."""

    def arrange(tree: GitTree) -> None:
        (tree.folder / "profile").write_text("")
        log = tree.clone / ".git/logs" / name
        log.unlink(missing_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.symlink_to(tree.folder / "profile")
        tree.git("config", "user.name", f"; {tree.canary} #")

    return arrange


def linked_logs(tree: GitTree) -> None:
    (tree.clone / ".git/logs").rename(tree.folder / "logs")
    (tree.clone / ".git/logs").symlink_to(tree.folder / "logs")


def linked_index(tree: GitTree) -> None:
    (tree.clone / ".git/index").rename(tree.folder / "index")
    (tree.clone / ".git/index").symlink_to(tree.folder / "index")


def symbolic_tracking(tree: GitTree) -> None:
    tree.git("branch", "victim")
    tree.git("symbolic-ref", "refs/remotes/origin/main", "refs/heads/victim")
