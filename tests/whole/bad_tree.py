"""One tree that holds every bad file at once, and good files beside each of them."""

import os
import socket
from pathlib import Path

GOOD = b"import os\n"
"""Has the one finding F401."""

SYNTAX_ERROR = b"def f(:\n"
CALL = b"import subprocess\nsubprocess.call(x, shell=True)\n"
CHAIN = b"a" + b".b" * 8000 + b"\n"
BIG_MB = 100


def make_bad_tree(root: Path) -> None:
    """Fill ``root`` with what must not harm its good files."""
    contents = {
        "good.py": GOOD,
        "pkg/__init__.py": b"",
        "pkg/good.py": GOOD,
        "syntax.py": SYNTAX_ERROR,
        "nul.py": b"import os\n\0x = 1\n",
        "invalid.py": b"import os\nx = '\xff\xfe'\n",
        "latin.py": b"# -*- coding: latin-1 -*-\n" + CALL + b"x = '\xe9'\n",
        "unknown_coding.py": b"# -*- coding: klingon -*-\nimport os\n",
        "bom.py": b"\xef\xbb\xbf" + GOOD,
        "crlf.py": b"import os\r\nx = 1\r\n",
        "empty.py": b"",
        "chain.py": CHAIN,
        "with space.py": GOOD,
        "new\nline.py": GOOD,
        "esc\x1b[31m.py": GOOD,
        "-dash.py": GOOD,
        "\u202ertl.py": GOOD,
    }
    for name, content in contents.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    Path(os.fsdecode(bytes(root) + b"/inv\xff.py")).write_bytes(GOOD)
    with (root / "big.py").open("wb") as big:
        big.truncate(BIG_MB << 20)
    (root / "folder.py").mkdir()
    (root / "folder.py" / "inside.py").write_bytes(GOOD)
    _make_links(root)
    os.mkfifo(root / "fifo.py")
    _make_socket(root / "socket.py")


def _make_links(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_bytes(CALL)
    (root / "out.py").symlink_to(outside / "secret.py")
    (root / "outdir").symlink_to(outside)
    (root / "in.py").symlink_to("good.py")
    (root / "loop.py").symlink_to("loop.py")
    (root / "nowhere.py").symlink_to("does-not-exist.py")
    (root / "pkg" / "up").symlink_to("..")


def _make_socket(path: Path) -> None:
    # Bound by a relative name: an address holds 107 bytes, and a test's folder may be longer.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)
