"""A pull reaches its remote by every protocol that is allowed, as the user configured it, and asks nobody anything."""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import anyio
import pytest

from konivrer_watch.core.pull import SAFE_PROTOCOLS, PullOutcome, PullResult
from konivrer_watch.system.pull import pull
from tests.git_trees import GitTree, make_git_tree

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    return make_git_tree(tmp_path.resolve())


def pulled(tree: GitTree, url: str, protocols: tuple[str, ...] = SAFE_PROTOCOLS) -> PullResult:
    tree.git("config", "remote.origin.url", url)

    async def run() -> PullResult:
        environment = tree.environment()
        return await pull(os.fsencode(tree.clone), tree.folder / "scratch", environment, protocols=protocols)

    return anyio.run(run)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def serving(command: Sequence[str | Path], port: int) -> Iterator[None]:
    """Run a server until the block ends, from the moment when it accepts connections."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, process_group=0)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.02)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def assert_forwarded(tree: GitTree, result: PullResult) -> None:
    assert result.result is PullOutcome.UPDATED, result
    assert tree.head() == tree.tip()
    assert tree.git("status", "--porcelain", "--branch") == "## main...origin/main"


def test_by_path(tree: GitTree) -> None:
    assert_forwarded(tree, pulled(tree, str(tree.remote)))


def test_by_file_url(tree: GitTree) -> None:
    assert_forwarded(tree, pulled(tree, f"file://{tree.remote}"))


def test_by_git_daemon_only_where_the_caller_allows_it(tree: GitTree) -> None:
    port = free_port()
    url = f"git://127.0.0.1:{port}/remote.git"
    command = ("git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--reuseaddr")
    with serving([*command, f"--base-path={tree.folder}"], port):
        refused = pulled(tree, url)
        assert refused.result is PullOutcome.SKIPPED
        assert "is reached by git, which is not allowed (https, ssh, file are; your own" in refused.reason
        assert_forwarded(tree, pulled(tree, url, (*SAFE_PROTOCOLS, "git")))


@pytest.mark.parametrize("who", ["the user", "the repository"])
def test_plain_protocols_are_the_users_to_allow_and_not_the_repositorys(tree: GitTree, who: str) -> None:
    port = free_port()
    command = ("git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--reuseaddr")
    tree.git("config", *(["--global"] if who == "the user" else []), "protocol.git.allow", "always")
    with serving([*command, f"--base-path={tree.folder}"], port):
        result = pulled(tree, f"git://127.0.0.1:{port}/remote.git")
    if who == "the user":
        assert_forwarded(tree, result)
    else:
        assert result.result is PullOutcome.SKIPPED


@contextmanager
def ssh_server(tree: GitTree) -> Iterator[tuple[str, Path]]:
    """A loopback sshd; yields a URL, and a folder with the client's ``config`` and ``known_hosts``."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("sshd is not installed")
    if os.geteuid() == 0 and "sshd" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("sshd started by root needs a user named sshd")
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        pytest.skip("sshd started by root needs the folder /run/sshd, which its service makes")
    home, port = tree.folder / "ssh", free_port()
    home.mkdir(mode=0o700)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    (home / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/key.pub\n"
        "StrictModes no\nPidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    (home / "config").write_text(
        f"Host *\n  IdentityFile {home}/key\n  UserKnownHostsFile {home}/known_hosts\n"
        "  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n  StrictHostKeyChecking accept-new\n"
    )
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {(home / 'host.pub').read_text()}")
    tree.git("config", "--global", "core.sshCommand", f"ssh -F {home}/config")
    with serving([SSHD, "-D", "-e", "-f", home / "sshd_config"], port):
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tree.remote}", home


def test_by_ssh_with_the_users_own_command(tree: GitTree) -> None:
    with ssh_server(tree) as (url, _):
        assert_forwarded(tree, pulled(tree, url))


def test_an_unknown_host_is_refused_and_not_remembered(tree: GitTree) -> None:
    with ssh_server(tree) as (url, home):
        (home / "known_hosts").write_text("")
        result = pulled(tree, url)
        assert result.result is PullOutcome.FAILED
        assert "Host key verification failed" in result.reason
        assert (home / "known_hosts").read_text() == ""


def test_a_host_that_does_not_exist_fails_with_its_cause(tree: GitTree) -> None:
    result = pulled(tree, "ssh://git@nowhere.invalid/x.git")
    assert result.result is PullOutcome.FAILED
    assert "Could not resolve hostname nowhere.invalid" in result.reason


def test_the_users_own_rewriting_of_urls_counts(tree: GitTree) -> None:
    tree.git("config", "--global", f"url.{tree.folder}/.insteadOf", "mine:")
    assert_forwarded(tree, pulled(tree, "mine:remote.git"))


class _Guarded(BaseHTTPRequestHandler):
    """Asks for a password, and remembers what it was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def guarded_server() -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []
    with HTTPServer(("127.0.0.1", 0), type("Handler", (_Guarded,), {"asked": asked})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def test_a_password_in_a_url_is_not_repeated(tree: GitTree) -> None:
    with guarded_server() as (port, asked):
        result = pulled(tree, f"http://ada:secret@127.0.0.1:{port}/x.git", ("http",))
    assert asked
    assert result.result is PullOutcome.FAILED
    assert f"origin (http://127.0.0.1:{port}/x.git) cannot be fetched" in result.reason
    assert "secret" not in result.reason


@pytest.mark.parametrize("key", ["credential.helper", "core.askPass"])
def test_the_repository_says_nothing_about_passwords(tree: GitTree, key: str) -> None:
    tree.git("config", key, str(tree.canary))
    with guarded_server() as (port, asked):
        result = pulled(tree, f"http://127.0.0.1:{port}/x.git", ("http",))
        assert asked
        assert result.result is PullOutcome.FAILED
        assert f"origin (http://127.0.0.1:{port}/x.git) cannot be fetched" in result.reason
        assert not tree.mark.exists()
        tree.git("fetch", check=False)
    assert tree.mark.exists(), "git by itself would run it"


def test_the_users_own_credential_helper_is_asked(tree: GitTree) -> None:
    tree.git("config", "--global", "credential.helper", str(tree.canary))
    with guarded_server() as (port, _):
        result = pulled(tree, f"http://127.0.0.1:{port}/x.git", ("http",))
    assert tree.mark.read_text().startswith(f"{tree.canary} get")
    assert "terminal prompts disabled" in result.reason


@pytest.mark.parametrize("key", ["http.proxy", "remote.origin.proxy"])
def test_a_proxy_of_the_repositorys_choice_is_not_asked(tree: GitTree, key: str) -> None:
    with guarded_server() as (port, asked):
        tree.git("config", key, f"http://127.0.0.1:{port}")
        result = pulled(tree, "http://127.0.0.1:9/x.git", ("http",))
        assert asked == []
        assert f"the repository's own {key} is not used" in result.reason
        tree.git("fetch", check=False)
        assert asked, "git by itself would ask it"
