"""On which kind of file system a folder lies, and whether that tells of what others write.

The kernel announces what programs of this machine write through a mount (inotify(7)): what a server, a host or a guest
changes behind it comes without an event. Only Linux says what is mounted where; elsewhere probe and sweeps tell.
"""

import os
import re
from collections.abc import Iterator

_TABLE = "/proc/self/mountinfo"
# proc_pid_mountinfo(5): a space, a tab, a line feed and a backslash are written in octal.
_ESCAPED = re.compile(rb"\\([0-7]{3})")

_WRITERS = {
    # inotify(7), "Limitations and caveats": events do not cover what happens on the server of a network file system.
    **dict.fromkeys(
        (
            *(
                "nfs",
                "nfs4",
                "cifs",
                "smb3",
                "smbfs",
                "afs",
                "ncpfs",
                "coda",
                "ceph",
                "lustre",
                "gpfs",
                "gfs2",
            ),
            *("ocfs2", "beegfs", "glusterfs", "orangefs", "pvfs2", "davfs"),
        ),
        "another machine",
    ),
    # What a host shares with its guest. WSL mounts the drives of Windows as drvfs or, in version 2, as 9p (its issue
    # 4739); Docker Desktop shows its bind mounts as fakeowner.
    **dict.fromkeys(
        ("9p", "drvfs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "hgfs", "osxfs", "fakeowner"), "the host"
    ),
}
# FUSE over local folders: who writes on this machine writes through the mount.
_LOCAL_FUSE = frozenset(
    {
        b"fuse.fuse-overlayfs",
        b"fuse.gocryptfs",
        b"fuse.encfs",
        b"fuse.cryfs",
        b"fuse.mergerfs",
        b"fuse.unionfs",
    }
)


def needs_sweeps(root: bytes) -> str | None:
    """Return why a folder (absolute, free of links) has to be swept, in words; ``None`` where events come."""
    try:
        with open(_TABLE, "rb") as table:
            kind = kind_at(root, table.read())
    except OSError:
        return None
    return None if kind is None else reason_for(kind)


def kind_at(path: bytes, table: bytes) -> bytes | None:
    """Return the type of the file system at an absolute path, by the text of a mountinfo; ``None`` if it names none."""
    best: tuple[int, bytes] | None = None
    for point, kind in _mounts(table):
        # Of what is mounted over each other the last is seen.
        if _holds(point, path) and (best is None or len(point) >= best[0]):
            best = len(point), kind
    return None if best is None else best[1]


def reason_for(kind: bytes) -> str | None:
    """Return why a type of file system has to be swept, in words; ``None`` where events come."""
    name = os.fsdecode(kind)
    writer = _WRITERS.get(name)
    if writer is None and (kind.startswith(b"fuse.") or kind == b"fuse") and kind not in _LOCAL_FUSE:
        writer = "others"
    return None if writer is None else f"{name} does not tell of what {writer} may write"


def _mounts(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in table.split(b"\n"):
        before, _, after = line.partition(b" - ")
        fields, kinds = before.split(b" "), after.split(b" ")
        if len(fields) > 4 and kinds[0]:
            yield _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), fields[4]), kinds[0]


def _holds(point: bytes, path: bytes) -> bool:
    return point == b"/" or path == point or path.startswith(point + b"/")
