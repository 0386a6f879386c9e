"""A service that systemd starts pulls from inside its sandbox, by every way to a remote, and judges what came."""

import os
import shutil

import pytest

from tests.whole.systemd.container import HOME, UID, USER, Container, missing, wait_until
from tests.whole.systemd.service import Service

REASON = missing() or (None if shutil.which("git") else "git is not installed")
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
GIT_PORT, SSH_PORT, HTTP_PORT = 9418, 2222, 8000

_MAKE_REMOTE = """
set -e
cd
git config --global user.name Ada
git config --global user.email ada@example.org
git config --global protocol.git.allow always
git config --global protocol.http.allow always
git init -q --bare -b main remote.git
git clone -q remote.git author 2>/dev/null
cd author
git checkout -q -b main
printf 'x = 1\\n' >a.py
git add a.py
git commit -q -m first
git push -q -u origin main
"""
# A clone that lags behind by the commit in which a.py imports what it does not use.
_MAKE_CLONE = """
set -e
cd
name=$1 url=$2
shift 2
git clone -q "$@" remote.git "$name"
git -C "$name" config remote.origin.url "$url"
cd author
printf 'import os\\n\\nN = "%s"\\n' "$name" >a.py
git commit -q -a -m "for $name"
git push -q
"""
_MAKE_WORKTREE = """
set -e
cd
git -C "$1" worktree add -q -b side "../$1-side"
git -C "$1" branch -q --set-upstream-to=origin/main side
"""
_MAKE_KEYS = """
set -e
mkdir -m 700 -p ~/.ssh ~/sshd
ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
ssh-keygen -q -t ed25519 -N '' -f ~/sshd/host
echo "[127.0.0.1]:$1 $(cat ~/sshd/host.pub)" >~/.ssh/known_hosts
cat >~/sshd/config <<END
Port $1
ListenAddress 127.0.0.1
HostKey $HOME/sshd/host
AuthorizedKeysFile $HOME/.ssh/id_ed25519.pub
StrictModes no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
END
"""
# Answers every question for an address with the machine itself, and every other with nothing.
_NAME_SERVER = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    asked, client = server.recvfrom(512)
    end = asked.index(0, 12) + 5
    is_address = asked[end - 4 : end - 2] == bytes([0, 1])
    head = asked[:2] + bytes([0x81, 0x80, 0, 1, 0, is_address, 0, 0, 0, 0])
    address = bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
    server.sendto(head + asked[12:end] + address * is_address, client)
"""


@pytest.fixture(scope="module")
def remote(machine: Container) -> Container:
    """The machine, where ada has a remote, and a manager of her own."""
    machine.read("loginctl", "enable-linger", USER)
    wait_until(
        lambda: machine.path(f"/run/user/{UID}/systemd/private").exists(), 20, "the user's manager runs"
    )
    machine.read("sh", "-c", _MAKE_REMOTE, user=USER)
    return machine


@pytest.fixture(scope="module")
def git_daemon(remote: Container) -> str:
    """The remote's URL by git's own protocol."""
    served = ("git", "daemon", "--listen=127.0.0.1", f"--port={GIT_PORT}", "--export-all")
    remote.read("systemd-run", "--quiet", f"--uid={USER}", *served, f"--base-path={HOME}")
    _await_port(remote, GIT_PORT)
    return f"git://127.0.0.1:{GIT_PORT}/remote.git"


@pytest.fixture(scope="module")
def web(remote: Container) -> str:
    """The remote's URL by http, at a name that only DNS knows."""
    hook = f"{HOME}/remote.git/hooks/post-update"
    remote.read("cp", f"{hook}.sample", hook, user=USER)
    served = ("/usr/bin/python3", "-m", "http.server", "--bind=127.0.0.1", f"--directory={HOME}")
    remote.read("systemd-run", "--quiet", f"--uid={USER}", *served, str(HTTP_PORT))
    remote.read("systemd-run", "--quiet", "/usr/bin/python3", "-c", _NAME_SERVER)
    remote.read("sh", "-c", "rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf")
    _await_port(remote, HTTP_PORT)
    return f"http://remote.example:{HTTP_PORT}/remote.git"


@pytest.fixture(scope="module")
def sshd(remote: Container) -> str:
    """The remote's URL by ssh, on a machine whose own ssh configuration is in a folder of parts."""
    if SSHD is None or not shutil.which("ssh"):
        pytest.skip("sshd or ssh is not installed")
    parts = remote.path("/etc/ssh/ssh_config.d")
    parts.mkdir(exist_ok=True)
    (parts / "10-site.conf").write_text("Host *\n  ServerAliveInterval 30\n")
    remote.read("sh", "-c", _MAKE_KEYS, "sh", str(SSH_PORT), user=USER)
    remote.read("systemd-run", "--quiet", f"--uid={USER}", SSHD, "-D", "-f", f"{HOME}/sshd/config")
    _await_port(remote, SSH_PORT)
    return f"ssh://{USER}@127.0.0.1:{SSH_PORT}{HOME}/remote.git"


def _await_port(machine: Container, port: int) -> None:
    asked = ("/usr/bin/python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}))")
    wait_until(lambda: machine.run(*asked).returncode == 0, 20, "the server listens")


def clone(machine: Container, name: str, url: str, *options: str) -> None:
    """Make a clone that is one commit behind."""
    machine.read("sh", "-c", _MAKE_CLONE, "sh", name, url, *options, user=USER)


def assert_pulls(service: Service, **variables: str) -> None:
    """Install the service: what came is there, told and judged, and the root is as git left it."""
    try:
        service.do("install", **variables)
        wait_until(lambda: service.status()[1].get("pull", {}).get("at") is not None, 30, "it pulled")
        _, status = service.status("--sync", "--findings")
        assert status["pull"]["result"] == "updated", status["pull"]
        assert [(each["path"], each["code"]) for each in status["findings_list"]] == [("a.py", "F401")]
    finally:
        service.do("uninstall")


@pytest.mark.parametrize("own", [True, False], ids=["user", "system"])
def test_a_clone_that_lags_behind_a_file_url_is_pulled(remote: Container, own: bool) -> None:
    name = f"by-file-{own}"
    clone(remote, name, f"file://{HOME}/remote.git")
    assert_pulls(Service(remote, name, own=own, files={}))


@pytest.mark.parametrize("own", [True, False], ids=["user", "system"])
def test_by_the_network_too(remote: Container, git_daemon: str, own: bool) -> None:
    name = f"by-git-{own}"
    clone(remote, name, git_daemon)
    assert_pulls(Service(remote, name, own=own, files={}))


@pytest.mark.parametrize("own", [True, False], ids=["user", "system"])
def test_by_http_from_a_host_that_has_to_be_looked_up(remote: Container, web: str, own: bool) -> None:
    name = f"by-http-{own}"
    clone(remote, name, web)
    assert_pulls(Service(remote, name, own=own, files={}))


@pytest.mark.parametrize("own", [True, False], ids=["user", "system"])
def test_by_ssh_with_the_users_own_key_and_known_hosts(remote: Container, sshd: str, own: bool) -> None:
    name = f"by-ssh-{own}"
    clone(remote, name, sshd)
    assert_pulls(Service(remote, name, own=own, files={}))


@pytest.mark.parametrize("own", [True, False], ids=["user", "system"])
def test_who_does_not_want_it_has_a_root_that_cannot_be_written(remote: Container, own: bool) -> None:
    name = f"unpulled-{own}"
    clone(remote, name, f"file://{HOME}/remote.git")
    service = Service(remote, name, own=own, files={})
    service.do("install", KONIVRER_WATCH_PULL="false")
    try:
        service.wait_healthy()
        mounts = remote.read("cat", f"/proc/{service.pid}/mountinfo").splitlines()
        assert [line.split()[4] for line in mounts if line.split()[4].startswith(service.root)] == [
            f"{service.root}/.git"
        ]
        assert service.status()[1]["pull"]["result"] == "off"
    finally:
        service.do("uninstall")


def test_a_repository_that_a_group_shares_is_pulled(remote: Container) -> None:
    clone(remote, "shared", f"file://{HOME}/remote.git", "--config=core.sharedRepository=group")
    assert_pulls(Service(remote, "shared", own=True, files={}))


def test_a_linked_worktree_is_pulled_into_its_common_folder(remote: Container) -> None:
    clone(remote, "trunk", f"file://{HOME}/remote.git")
    remote.read("sh", "-c", _MAKE_WORKTREE, "sh", "trunk", user=USER)
    assert_pulls(Service(remote, "trunk-side", own=True, files={}))
