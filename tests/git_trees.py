"""Clones that lag behind their remote by one commit, and a canary: a program that leaves a mark when it is run."""

import os
import shutil
import subprocess
from pathlib import Path

BEHIND = ("b.py", "a.py")
"""The files that the remote's newer commit adds and changes."""


class GitTree:
    """A bare ``remote`` with two commits on ``main``, and a ``clone`` that has the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "remote.git"
        self.clone = folder / "clone"
        self.mark = folder / "EXECUTED"
        self.canary = folder / "canary"

    def git(self, *arguments: str | Path | bytes, cwd: Path | None = None, check: bool = True) -> str:
        """Run git as a user does, by default in the clone; return what it wrote."""
        ended = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.clone,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=check,
        )
        return ended.stdout.decode(errors="surrogateescape").strip()

    def environment(self, **added: str) -> dict[str, str]:
        """Return a user's environment: an identity, and a home without configuration."""
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", "1700000000 +0000"))
        }
        home = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
        return {**home, **identity, **added}

    def commit(self, where: Path, files: dict[str, str], message: str = "a commit") -> str:
        """Write files, commit everything, and return the commit."""
        for name, content in files.items():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_text(content)
        self.git("add", "-A", cwd=where)
        self.git("commit", "-q", "--allow-empty", "-m", message, cwd=where)
        return self.git("rev-parse", "HEAD", cwd=where)

    def push(self, files: dict[str, str]) -> str:
        """Give the remote's branch one more commit."""
        author = self.folder / "author"
        if not author.exists():
            self.git("clone", "-q", self.remote, author, cwd=self.folder)
        self.git("pull", "-q", "--ff-only", cwd=author)
        commit = self.commit(author, files)
        self.git("push", "-q", "origin", "HEAD:main", cwd=author)
        return commit

    def configure(self, text: str) -> None:
        """Add to the clone's own configuration; ``CANARY`` stands for the canary's path."""
        with open(self.clone / ".git/config", "a") as file:
            file.write(text.replace("CANARY", str(self.canary)) + "\n")

    def hook(self, name: str, folder: Path | None = None) -> None:
        """Make the canary a hook of the clone."""
        where = folder or self.clone / ".git/hooks"
        where.mkdir(exist_ok=True)
        shutil.copy(self.canary, where / name)

    def tip(self) -> str:
        """Return the commit of the remote's branch."""
        return self.git("rev-parse", "main", cwd=self.remote)

    def head(self) -> str:
        """Return the commit that the clone has."""
        return self.git("rev-parse", "HEAD")

    def snapshot(self) -> dict[str, bytes]:
        """Return every file and link of the clone, its git directory's included."""
        return snapshot(self.clone)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, and where every link leads."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = os.fsencode(os.readlink(path))
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return found


def make_git_tree(folder: Path) -> GitTree:
    """Make one below ``folder``, by copying what was made once for this run of the tests."""
    template = folder.parent / "git-template"
    if not template.exists():
        _make_template(GitTree(template))
    tree = GitTree(folder / "git")
    shutil.copytree(template, tree.folder, symlinks=True)
    config = tree.clone / ".git/config"
    config.write_text(config.read_text().replace(str(template), str(tree.folder)))
    tree.canary.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{tree.mark}'\nexit 1\n")
    tree.canary.chmod(0o755)
    # The copies have other inodes than the index knows.
    tree.git("status")
    return tree


def _make_template(tree: GitTree) -> None:
    tree.folder.mkdir()
    tree.git("init", "-q", "--bare", "-b", "main", tree.remote, cwd=tree.folder)
    tree.git("init", "-q", "-b", "main", tree.clone, cwd=tree.folder)
    tree.git("remote", "add", "origin", tree.remote)
    tree.commit(tree.clone, {"a.py": "import os\n", "sub/c.py": "x = 1\n"}, "first")
    tree.commit(tree.clone, {"a.py": "import sys\n", "b.py": "y = 2\n"}, "second")
    tree.git("push", "-q", "-u", "origin", "main")
    tree.git("reset", "-q", "--hard", "HEAD~1")
    tree.git("update-ref", "refs/remotes/origin/main", "HEAD")
    # The clone knows nothing of what it lags behind.
    tree.git("-c", "gc.reflogExpire=now", "reflog", "expire", "--expire=now", "--all")
    tree.git("prune", "--expire=now")
    for hook in (tree.clone / ".git/hooks").iterdir():
        hook.unlink()


def make_submodule(tree: GitTree) -> None:
    """Give both sides a submodule ``sub/module``, checked out in the clone, which still lags by one commit."""
    module = tree.folder / "module.git"
    tree.git("clone", "-q", "--bare", tree.remote, module, cwd=tree.folder)
    tree.git("pull", "-q", "--ff-only")
    allowed = ("-c", "protocol.file.allow=always")
    tree.git(*allowed, "submodule", "--quiet", "add", str(module), "sub/module")
    tree.commit(tree.clone, {})
    tree.git("push", "-q", "origin", "main")
    tree.push({"a.py": "3\n", "e.py": ""})
