"""A small repository in which much has a say in what ruff and bandit find, and edits to each of those things."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.ruff_tree import write

PYPROJECT = """\
[project]
name = "steered"
version = "1"
requires-python = ">=3.9"

[tool.ruff]
line-length = 90
extend-exclude = ["generated"]
extend-include = ["tools/oddscript"]

[tool.ruff.lint]
select = ["E", "F", "I", "INP", "EXE", "UP", "B", "TC", "RUF100", "RUF200"]

[tool.ruff.lint.per-file-ignores]
"legacy/*" = ["F401"]

[tool.bandit]
skips = ["B101"]
exclude_dirs = ["examples"]
# With -c, bandit leaves out .pyw files unless told otherwise.
include = ["*.py", "*.pyw"]
"""
CALL = "import subprocess\n\nsubprocess.call('ls', shell=True)\n"
BLOCK = "import attr\nimport {0}\n\nprint(attr, {0})\n"
OPTIONAL = "import os\nfrom typing import Optional\n\nx: Optional[int] = 1\nassert x\n"
# Functions of one name, told apart by their number, so that no two files hold equal bytes.
BASE = "def f{}(x=[]):\n    pass\n\n\ntry:\n    f{}()\nexcept Exception:\n    pass\n"
NOTEBOOK = (
    '{"cells": [{"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": '
    '["import os\\n", "import helpers\\n", "import attr\\n"]}], '
    '"metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}'
)
SILENCED = """\
import os  # noqa
import re  # noqa: F401
import sys  # noqa: E501
import pickle  # nosec
import marshal  # nosec B403
import shelve  # nosec B101
eval("1")  # nosec: B307
exec("1")  # nosec B307 # noqa
x = 1  # noqa: F401
"""
TREE: dict[str, str | bytes] = {
    "pyproject.toml": PYPROJECT,
    "base.toml": "lint.select = ['F', 'B']\n",
    ".gitignore": "ignored/\nthirdish/\n*_gen.py\n",
    "__main__.py": CALL,
    "app.py": "import zlib, os\n" + BLOCK.format("helpers"),
    "uses_thirdish.py": BLOCK.format("thirdish.inner"),
    "plain.py": "#!/usr/bin/env python\n" + BASE.format(0, 0),
    "tool_gen.py": CALL + OPTIONAL,
    "ignored/m.py": CALL + OPTIONAL,
    "silenced.py": SILENCED,
    "file_noqa.py": "# ruff: noqa: F401\nimport os\nimport pickle\n\n\n" + BASE.format(1, 1),
    "stub.pyi": "import os\nfrom typing import Optional\nx: Optional[int]\n",
    "gui.pyw": CALL + "import pickle\n",
    "bom.py": b"\xef\xbb\xbfimport os, pickle\n",
    "crlf.py": b"import os\r\nimport pickle\r\n\r\npickle.loads(b'')\r\n",
    "latin.py": b"# -*- coding: latin-1 -*-\nimport os, pickle\nname = '\xe4'\n",
    "wide.py": "import pickle\nx = 'äöü'; pickle.loads('äöü'.encode())\n",
    "broken.py": "def f(:\n    import os\n",
    "note.ipynb": NOTEBOOK,
    "pkg/__init__.py": "",
    "pkg/.gitignore": "local.py\n",
    "pkg/local.py": CALL + "x = 2\n",
    "pkg/core.py": BLOCK.format("pkg.other") + "from pkg import core\n",
    "pkg/sub/deep.py": OPTIONAL + "import random\n\nrandom.random()\n",
    "loose/m.py": OPTIONAL + "import pickle\n",
    "legacy/old.py": "import os\nimport sys, md5\n",
    "examples/e.py": CALL + "x = 3\n",
    "generated/g.py": CALL + "x = 4\n",
    "tools/oddscript": "import os\n",
    "tools/other": "import os\n",
    "nested/ruff.toml": "exclude = ['skipped.py']\nlint.select = ['F', 'UP']\n",
    "nested/m.py": OPTIONAL + BASE.format(3, 3),
    "nested/skipped.py": CALL + "x = 6\n",
    "ext/.ruff.toml": "extend = '../base.toml'\nlint.extend-select = ['UP']\n",
    "ext/m.py": OPTIONAL + BASE.format(2, 2),
    "inner/pyproject.toml": "[project]\nname = 'inner'\nversion = '1'\nrequires-python = '>=3.11'\n"
    "[tool.ruff.lint]\nselect = ['F', 'UP', 'INP']\n",
    "inner/m.py": OPTIONAL + "x = 7\n",
    "tests/test_a.py": "import os\n\n\ndef test_a():\n    assert os\n    exec('1')\n",
}

Edit = Callable[[Path], object]


def make_tree(root: Path) -> None:
    """Write the tree as a git repository whose files were all written a while ago."""
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--template=", root], check=True, timeout=30)
    write(root, TREE)


def made(name: str, content: str = "") -> Edit:
    """An edit that writes a file."""
    return lambda root: write(root, {name: content})


def gone(name: str) -> Edit:
    """An edit that deletes a file."""
    return lambda root: (root / name).unlink()


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit that replaces a piece of a file's first content."""
    content = TREE[name]
    assert isinstance(content, str) and old in content
    return made(name, content.replace(old, new))


def mode(name: str, bits: int) -> Edit:
    """An edit of a file's mode."""
    return lambda root: (root / name).chmod(bits)


def touched(root: Path) -> None:
    """Give a file another time of modification."""
    os.utime(root / "app.py", (1e9, 1e9))


def stealthy(root: Path) -> None:
    """Write other bytes of the same number under the same time of modification."""
    path = root / "app.py"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"print", b"pront"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )
