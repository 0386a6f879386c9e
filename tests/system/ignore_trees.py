"""Random trees and ignore files, written into a real repository, and git's own answer about them."""

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping

import msgspec
from hypothesis import strategies as st

NAMES = [
    *(b"a", b"b", b"ab", b"foo", b"bar", b"foobar", b"build", b"x.py", b"y.py", b"a.b.py", b"A", b"1", b"-"),
    *(
        b"a b",
        b"a ",
        b" a",
        b"a\t",
        b"a\r",
        b"a\n",
        b"a\nb",
        b"#c",
        b"!d",
        b"[x]",
        b"a\\b",
        b"*",
        b"?",
        b"]",
        b"^",
    ),
    *(b"\xff", b"a\xffb", b"\xc3\xa9.py", b"voil\xc3\xa0", b"\x1b[1m", b"\x0b"),
]
_PIECES = [
    *(
        b"*",
        b"**",
        b"***",
        b"/",
        b"?",
        b"*.py",
        b"/**",
        b"**/",
        b"/**/",
        b"/*",
        b"\\",
        b"\\*",
        b"\\a",
        b"\\/",
        b"\\ ",
    ),
    *(
        b"[ab]",
        b"[!a]",
        b"[^ab]",
        b"[a-c]",
        b"[]-]",
        b"[]a]",
        b"[!]]",
        b"[a-]",
        b"[-a]",
        b"[\\]]",
        b"[\\a-\\c]",
    ),
    *(
        b"[[:alpha:]]",
        b"[[:digit:]a]",
        b"[[:space:]]",
        b"[[:punct:]]",
        b"[![:alnum:]]",
        b"[[:x:]]",
        b"[[:]",
        b"[[::]]",
    ),
    *(
        b"[a/b]",
        b"[",
        b"]",
        b"[z-a]",
        b"[\xe0-\xff]",
        b" ",
        b"#",
        b"\\#",
        b"!",
        b"\\!",
        b"\xc3\xa9",
        b"\xff",
        b"\0",
    ),
]
_COMPONENTS = [*NAMES, b"*", b"**", b"*.py", b"?", b"[a-z]*"]


def _line() -> st.SearchStrategy[bytes]:
    """Half of the lines are paths that could well match, half are strings of special pieces."""
    paths = st.lists(st.sampled_from(_COMPONENTS), min_size=1, max_size=4).map(b"/".join)
    strange = st.lists(st.sampled_from([*_PIECES, b"a", b"b", b"foo"]), min_size=1, max_size=6).map(b"".join)
    before = st.sampled_from([b"", b"", b"", b"!", b"/", b"!/", b"#"])
    after = st.sampled_from([b"", b"", b"", b"/", b"  ", b"\\ ", b"/ "])
    return st.builds(lambda head, body, tail: head + body + tail, before, st.one_of(paths, strange), after)


def ignore_files() -> st.SearchStrategy[bytes]:
    """Contents of an ignore file, with either line ending, with and without a byte order mark."""
    lines = st.lists(_line(), min_size=1, max_size=6)
    ends = st.sampled_from([b"\n", b"\n", b"\r\n"])
    marks = st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"])
    return st.builds(lambda mark, end, body: mark + end.join(body) + end, marks, ends, lines)


class Tree(msgspec.Struct, frozen=True):
    """What to write: paths of leaves, whether each is a link, and ignore files by their directory."""

    leaves: dict[bytes, bool]
    gitignores: dict[bytes, bytes]
    info_exclude: bytes
    global_excludes: bytes


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees up to four deep; a leaf whose path is taken by a directory is left out."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=4, max_size=8, unique=True))
    parts = draw(st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=4), min_size=1, max_size=12))
    paths = {b"/".join(part) for part in parts}
    leaves = [path for path in sorted(paths) if not any(other.startswith(path + b"/") for other in paths)]
    folders = {b"", *(path[:at] for path in leaves for at in range(len(path)) if path[at : at + 1] == b"/")}
    gitignores = {folder: draw(ignore_files()) for folder in sorted(folders) if draw(st.booleans())}
    links = {path: draw(st.integers(0, 9)) == 0 for path in leaves}
    return Tree(links, gitignores, draw(ignore_files() | st.just(b"")), draw(ignore_files() | st.just(b"")))


class Repository:
    """One real repository, rewritten for each tree. ``core.excludesFile`` is a file of its own."""

    def __init__(self, top: bytes, environment: Mapping[str, str]) -> None:
        self.top = top
        self.environment = environment
        self.global_excludes = top + b"/.git/global"
        self._git("init", "-q")
        self._git("config", "core.excludesFile", os.fsdecode(self.global_excludes))

    def write(self, tree: Tree) -> list[bytes]:
        """Replace the work tree; returns every path in it, directories too."""
        for entry in list(os.scandir(self.top)):
            if entry.is_dir(follow_symlinks=False) and entry.name != b".git":
                shutil.rmtree(entry.path)
            elif entry.name != b".git":
                os.unlink(entry.path)
        for path, is_link in tree.leaves.items():
            full = self.top + b"/" + path
            os.makedirs(full.rpartition(b"/")[0], exist_ok=True)
            if is_link:
                os.symlink(b".", full)
            else:
                write(full, b"")
        for folder, content in tree.gitignores.items():
            write(self.top + b"/" + folder + b"/.gitignore", content)
        write(self.top + b"/.git/info/exclude", tree.info_exclude)
        write(self.global_excludes, tree.global_excludes)
        return self._paths()

    def ignored(self, paths: list[bytes]) -> dict[bytes, str | None]:
        """By path, the line that makes git ignore it, or ``None``."""
        command = ("check-ignore", "--no-index", "--stdin", "-z", "-v", "-n")
        fields = self._git(*command, given=b"".join(path + b"\0" for path in paths)).split(b"\0")
        answers: dict[bytes, str | None] = {}
        for at in range(0, len(fields) - 1, 4):
            source, line, pattern, path = fields[at : at + 4]
            answers[path] = line.decode() if source and not pattern.startswith(b"!") else None
        return answers

    def _paths(self) -> list[bytes]:
        found = []
        for folder, folders, files in os.walk(self.top):
            if folder == self.top:
                folders.remove(b".git")
            found += [(folder + b"/" + name)[len(self.top) + 1 :] for name in folders + files]
        return found

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.top,
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


def write(path: bytes, content: bytes) -> None:
    """Write a file at a path that need not be text."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)


def is_regular(path: bytes) -> bool:
    """Whether the path itself, not what it links to, is a regular file."""
    return stat.S_ISREG(os.lstat(path).st_mode)
