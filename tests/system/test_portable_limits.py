"""What the system refuses to the watchfiles source: watches, and folders that may not be read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "root").mkdir()
    return os.fsencode((tmp_path / "root").resolve())


LIMITED = """
import sys, anyio
from konivrer_watch.system.cookie import Cookie
from konivrer_watch.system.portable import PortableSource
root = sys.argv[1].encode()
open("/proc/sys/user/max_inotify_watches", "w").write("2")
async def main():
    with anyio.move_on_after(5) as scope:
        def told(reason):
            print(reason, flush=True)
            scope.cancel()
        await PortableSource(root, print, told, Cookie(root, root + b"-state")).run()
anyio.run(main)
"""


def test_a_system_without_watches_left_is_said(root: bytes) -> None:
    for number in range(5):
        os.mkdir(root + b"/%d" % number)
    command = ["unshare", "-U", "-r", sys.executable, "-c", LIMITED, os.fsdecode(root)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if "unshare" in ended.stderr or "max_inotify_watches" in ended.stderr:
        pytest.skip(f"the limit of watches cannot be lowered here: {ended.stderr.strip()[-200:]}")
    assert "watch limit" in ended.stdout.lower()
    assert "swept instead" in ended.stdout


WITHOUT_OVERRIDE = (
    "setpriv",
    "--bounding-set",
    "-dac_override,-dac_read_search",
    "--inh-caps",
    "-dac_override,-dac_read_search",
)
READING = """
import os, sys, anyio
from konivrer_watch.system.cookie import Cookie
from konivrer_watch.system.portable import PortableSource
root = os.fsencode(sys.argv[1])
async def main():
    with anyio.move_on_after(5) as scope:
        def heard(hints):
            paths = [hint.path for hint in hints]
            print("heard", *paths, flush=True)
            if None not in paths:
                scope.cancel()
        said = lambda reason: print("said", reason, flush=True)
        source = PortableSource(root, heard, said, Cookie(root, root + b"-state"))
        async with anyio.create_task_group() as group:
            group.start_soon(source.run)
            while True:
                await anyio.sleep(0.1)
                open(root + b"/a.py", "w").close()
anyio.run(main)
"""


def test_a_folder_that_may_not_be_read_does_not_keep_the_rest_from_being_heard(root: bytes) -> None:
    os.mkdir(root + b"/closed", 0)
    command: tuple[str, ...] = (sys.executable, "-c", READING, os.fsdecode(root))
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read every folder, and setpriv is not installed")
        os.chown(root + b"/closed", 65534, 65534)
        command = (*WITHOUT_OVERRIDE, *command)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if "setpriv" in ended.stderr:
        pytest.skip(f"root's right to read every folder cannot be dropped here: {ended.stderr.strip()}")
    # Everything, once the watch stands; then the path.
    assert ended.stdout == "heard None\nheard b'a.py'\n", ended.stderr
