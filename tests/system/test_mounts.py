"""The type of file system at a path, and which of them have to be swept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.system import mounts
from konivrer_watch.system.mounts import kind_at, needs_sweeps, reason_for

TABLE = rb"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw,nosuid shared:5 - proc proc rw
40 22 0:35 / /home rw,relatime shared:20 master:1 - autofs systemd-1 rw,fd=51
41 40 0:36 / /home rw,relatime shared:21 - nfs4 server:/home rw,vers=4.2
42 41 0:37 / /home/ada/my\040work rw - fuse.sshfs ada@host: rw,user_id=0
43 41 8:2 /sub /home/ada/local rw - btrfs /dev/sdb2 rw,subvol=/sub
44 22 0:38 / /odd\011tab\134slash rw - overlay overlay rw
45 22 0:39 / /mnt/c rw,noatime - 9p C:\134 rw,aname=drvfs
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/", b"ext4"),
        (b"/srv/tree", b"ext4"),
        (b"/homely", b"ext4"),
        (b"/home", b"nfs4"),
        (b"/home/ada/tree", b"nfs4"),
        (b"/home/ada/my work/tree", b"fuse.sshfs"),
        (b"/home/ada/my worker", b"nfs4"),
        (b"/home/ada/local", b"btrfs"),
        (b"/odd\ttab\\slash/x", b"overlay"),
        (b"/mnt/c/src", b"9p"),
    ],
)
def test_the_longest_mount_point_decides_and_of_two_on_one_point_the_last(path: bytes, kind: bytes) -> None:
    assert kind_at(path, TABLE) == kind


@given(st.binary(), st.binary())
def test_no_text_of_a_table_is_too_odd(path: bytes, table: bytes) -> None:
    kind = kind_at(b"/" + path, table)
    assert kind is None or kind in table


@given(st.lists(st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name)), min_size=1))
def test_a_mount_point_of_any_bytes_is_found_as_the_kernel_writes_it(names: list[bytes]) -> None:
    point = b"/" + b"/".join(names)
    written = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in point)
    table = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:3 / " + written + b" rw - nfs server:/ rw\n"
    assert kind_at(point + b"/tree", table) == b"nfs"
    assert kind_at(point + b"-other", table) == b"ext4"


@pytest.mark.parametrize(
    "kind",
    [
        *("nfs", "nfs4", "cifs", "smb3", "9p", "drvfs", "virtiofs", "fuse", "fuse.sshfs", "fuse.grpcfuse"),
        *("fuse.gvfsd-fuse", "osxfs", "fakeowner", "vboxsf", "prl_fs", "vmhgfs", "afs", "ceph", "lustre"),
    ],
)
def test_where_others_write_behind_the_kernels_back_the_tree_is_swept(kind: str) -> None:
    reason = reason_for(kind.encode())
    assert reason is not None
    assert reason.startswith(f"{kind} does not tell of what ")


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.fuse-overlayfs", "\udcff"]
)
def test_where_all_writes_pass_the_kernel_events_are_relied_upon(kind: str) -> None:
    assert reason_for(os.fsencode(kind)) is None


def test_without_a_table_nothing_is_known_and_events_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_TABLE", str(tmp_path / "absent"))
    assert needs_sweeps(bytes(tmp_path)) is None


MOUNTED = """
import sys
from konivrer_watch.system.mounts import kind_at, needs_sweeps
for path in sys.argv[1:]:
    print(kind_at(path.encode(), open("/proc/self/mountinfo", "rb").read()).decode(), needs_sweeps(path.encode()))
"""


def test_a_real_mount_is_known_by_its_type_also_where_its_name_is_odd(tmp_path: Path) -> None:
    odd = tmp_path / "with space\tand tab"
    odd.mkdir()
    script = 'mount -t tmpfs none "$1" && exec "$2" -c "$3" "$1" "$1-other"'
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    unshare = ["unshare", "-U", "-r", "-m", "sh", "-c", script, "sh"]
    ended = subprocess.run(
        [*unshare, str(odd), sys.executable, MOUNTED], capture_output=True, text=True, timeout=20, check=False
    )
    if ended.returncode != 0 and "Traceback" not in ended.stderr:
        pytest.skip(f"nothing can be mounted here: {ended.stderr.strip()[-200:]}")
    around = kind_at(bytes(tmp_path), Path("/proc/self/mountinfo").read_bytes())
    assert around is not None
    assert ended.stdout.splitlines() == ["tmpfs None", f"{around.decode()} {reason_for(around)}"]
