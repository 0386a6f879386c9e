"""The file by which the watch is put to the test: touched now and then, and to be seen to change.

It lies in the tree's git folder, so that it shares the tree's file system and a mount that is silent shows. Its name
begins as watchman's cookies do: editors pass over such files there (VS Code's git extension among them), and a touch a
minute starts no ``git status``. Without a git folder that we may write, it lies in the root's state folder.
"""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from konivrer_watch.system.files import make_private

# What a life before left, or nothing.
_OURS = re.compile(rb"(?:[0-9]{12}\n)?")
_NAME = b".watchman-cookie-konivrer-watch"
# Neither a link nor a FIFO that somebody put in its place may lead us elsewhere, or make us wait.
_WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Cookie:
    """The probe's file, below ``root`` or in ``folder``, both absolute. A source calls ``seen_nowait`` for it."""

    def __init__(self, root: bytes, folder: bytes) -> None:
        prefix = root.rstrip(b"/")
        self._git = prefix + b"/.git"
        self._folder = folder
        self._places = (self._git + b"/" + _NAME, folder + b"/" + _NAME)
        # A folder inside the root is watched with it.
        self.beside = None if folder.startswith(prefix + b"/") else folder
        self._written: set[bytes] = set()
        self._touches = 0
        self._seen = anyio.Event()

    def is_at(self, path: bytes) -> bool:
        """Whether an absolute path is this file's."""
        return path in self._places

    def seen_nowait(self) -> None:
        """An event told of the file."""
        self._seen.set()

    async def wait_seen(self) -> None:
        """Return once an event told of the file after the last touch began."""
        await self._seen.wait()

    def prepare(self) -> None:
        """Make the folder that is watched for it. Blocking; raises ``OSError``."""
        make_private(Path(os.fsdecode(self._folder)))

    async def touch(self) -> str | None:
        """Write the file; return why that is impossible, in words."""
        self._seen = anyio.Event()
        self._touches += 1
        # A file system that hangs must not keep the program from ending.
        return await anyio.to_thread.run_sync(self._write, self._touches, abandon_on_cancel=True)

    def remove(self) -> None:
        """Leave nothing behind."""
        for path in self._written:
            with suppress(OSError):
                os.unlink(path)

    def _write(self, number: int) -> str | None:
        in_git, in_state = self._places
        with suppress(OSError):
            # A link may lead out of the root, where nothing is ours.
            if stat.S_ISDIR(os.lstat(self._git).st_mode):
                self._replace(in_git, number)
                return None
        try:
            self.prepare()
            self._replace(in_state, number)
        except OSError as error:
            place = os.fsdecode(self._folder)
            return f"the watch cannot be put to the test: {place}: {error.strerror or error}"
        return None

    def _replace(self, path: bytes, number: int) -> None:
        """Replace the content in place, by as many bytes: a full disk has room for that."""
        descriptor = os.open(path, _WRITE, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise FileExistsError(f"{os.fsdecode(path)!r} is not ours")
            if path not in self._written and not _OURS.fullmatch(os.pread(descriptor, 64, 0)):
                raise FileExistsError(f"{os.fsdecode(path)!r} holds something of somebody's")
            self._written.add(path)
            os.pwrite(descriptor, b"%012d\n" % number, 0)
        finally:
            os.close(descriptor)
