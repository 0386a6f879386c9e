"""``trust`` shows, asks, and binds; nothing else makes a command trusted."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from konivrer_watch.cli import trust, untrust
from konivrer_watch.cli.places import find_state
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.core.trust import Command
from konivrer_watch.system.trust import is_trusted, read_trust

VERIFY = Command("verify", "make test")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "root").resolve()
    folder.mkdir()
    configure(folder, "make test")
    return folder


def configure(root: Path, text: str) -> None:
    (root / "konivrer-watch.toml").write_text(f'verify = "{text}"\n')


def own(root: Path) -> Path:
    return find_state(root, os.environ).own


def run(command: click.Command, *arguments: str | Path) -> Result:
    words = [str(each) for each in arguments]
    return CliRunner().invoke(command, words, standalone_mode=False, catch_exceptions=False)


def trusted(root: Path, command: Command = VERIFY) -> bool:
    return is_trusted(own(root), root, command)


def test_a_command_is_shown_bound_and_told(root: Path) -> None:
    assert not trusted(root)
    result = run(trust.command, "--yes", root)
    assert result.return_value == 0
    assert "verify (konivrer-watch.toml): not trusted\n    make test\n" in result.output
    assert f"trusted: verify, SHA-256 {VERIFY.digest}" in result.output
    assert trusted(root)
    assert (own(root) / "trust.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in root.iterdir()) == ["konivrer-watch.toml"]


def test_changed_text_is_untrusted_until_it_is_trusted_again(root: Path) -> None:
    run(trust.command, "--yes", root)
    configure(root, "make  test")
    assert "not trusted" in run(trust.command, "--list", root).output
    assert not trusted(root, Command("verify", "make  test"))
    run(trust.command, "--yes", root)
    assert trusted(root, Command("verify", "make  test"))
    assert not trusted(root)


def test_what_is_trusted_already_is_not_asked_again(root: Path) -> None:
    run(trust.command, "--yes", root)
    result = run(trust.command, root)
    assert result.return_value == 0
    assert "verify (konivrer-watch.toml): trusted since 2" in result.output


def test_listing_changes_nothing(root: Path) -> None:
    assert run(trust.command, "--list", root).return_value == 0
    assert not own(root).exists()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whoever is asked on a terminal gives this answer."""

    def answer(yes: bool) -> None:
        monkeypatch.setattr(trust, "_is_confirmed", lambda root: yes)

    return answer


@pytest.mark.parametrize("yes", [True, False])
def test_who_is_asked_decides(root: Path, terminal: Callable[[bool], None], yes: bool) -> None:
    terminal(yes)
    result = run(trust.command, root)
    assert result.return_value == (0 if yes else 1)
    assert trusted(root) is yes
    assert ("nothing was trusted" in result.output) is not yes


def test_where_nobody_can_be_asked_nothing_is_trusted(root: Path) -> None:
    with pytest.raises(UsageFault, match="give --yes"):
        run(trust.command, root)
    assert not trusted(root)


def test_control_characters_of_a_command_are_shown_as_such(root: Path) -> None:
    configure(root, "make\\u001b[2K test")
    assert "make\\u001b[2K test" in run(trust.command, "--list", root).output


def test_what_cannot_be_seen_is_shown_and_said_to_be(root: Path) -> None:
    assert "stands for" not in run(trust.command, "--list", root).output
    configure(root, "make\\u200b" + " " * 5000 + "; evil ")
    shown = run(trust.command, "--list", root).output.splitlines()
    assert shown[1] == "    make\\u200b\\u0020{5000}; evil\\u0020"
    assert shown[2].startswith("    (\\uXXXX stands for a character ")


def test_without_a_command_there_is_nothing_to_trust(root: Path) -> None:
    (root / "konivrer-watch.toml").unlink()
    result = run(trust.command, root)
    assert result.return_value == 0
    assert "nothing to trust" in result.output


def test_the_environment_brings_no_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_VERIFY", "rm -rf /")
    run(trust.command, "--yes", root)
    assert trusted(root)
    assert not trusted(root, Command("verify", "rm -rf /"))


@pytest.mark.parametrize("place", [".state", "a/b"])
def test_a_state_folder_in_the_root_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run(trust.command, "--yes", root)
    trust_file = (own(root) / "trust.json").read_bytes()
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(root / place))
    with pytest.raises(UsageFault, match="could so trust itself"):
        run(trust.command, "--yes", root)
    own(root).mkdir(parents=True)
    (own(root) / "trust.json").write_bytes(trust_file)
    assert not trusted(root)


def test_a_state_folder_that_a_link_leads_into_the_root_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "state").mkdir()
    (root.parent / "link").symlink_to(root / "state")
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(root.parent / "link"))
    with pytest.raises(UsageFault, match="could so trust itself"):
        run(trust.command, "--yes", root)


def make_work_tree(top: Path) -> None:
    for name in ("objects", "refs"):
        (top / ".git" / name).mkdir(parents=True)
    (top / ".git/HEAD").write_text("ref: refs/heads/main\n")


def test_a_state_folder_in_the_work_tree_of_a_subfolder_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_work_tree(root.parent)
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(root.parent.parent / "outside"))
    run(trust.command, "--yes", root)
    assert trusted(root)
    trust_file = (own(root) / "trust.json").read_bytes()
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(root.parent / ".st"))
    with pytest.raises(UsageFault, match="could so trust itself"):
        run(trust.command, "--yes", root)
    own(root).mkdir(parents=True)
    (own(root) / "trust.json").write_bytes(trust_file)
    (own(root) / "trust.json").chmod(0o600)
    assert not trusted(root)


def test_beside_a_root_that_is_no_work_tree_the_state_folder_is_as_good_as_any(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(root.parent / ".st"))
    run(trust.command, "--yes", root)
    assert trusted(root)


def spoil_mode(path: Path) -> None:
    path.chmod(0o620)


def spoil_text(path: Path) -> None:
    path.write_text("{")


def spoil_link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def spoil_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def spoil_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoil_depth(path: Path) -> None:
    path.write_text('{"x":' + "[" * 100_000)


def spoil_encoding(path: Path) -> None:
    path.write_bytes(b'{"root":"YQ==","agreed":{"\xff":"now"}}')


def spoil_state(path: Path) -> None:
    path.unlink()
    for other in path.parent.iterdir():
        other.unlink()
    path.parent.rmdir()
    path.parent.write_text("")


SPOILS = [
    spoil_mode,
    spoil_text,
    spoil_link,
    spoil_pipe,
    spoil_folder,
    spoil_depth,
    spoil_encoding,
    spoil_state,
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_record_that_cannot_be_read_or_others_could_have_written_says_nothing(
    root: Path, spoil: Callable[[Path], None]
) -> None:
    run(trust.command, "--yes", root)
    spoil(own(root) / "trust.json")
    assert read_trust(own(root), root) is None
    assert not trusted(root)
    assert ": not trusted\n" in run(trust.command, "--list", root).output


@pytest.mark.parametrize(
    ("spoil", "reason"), [(spoil_folder, "Is a directory"), (spoil_state, "File exists|Not a directory")]
)
def test_where_a_record_cannot_be_written_or_removed_it_is_said_in_words(
    root: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    run(trust.command, "--yes", root)
    spoil(own(root) / "trust.json")
    for words in ((trust.command, "--yes", root), (untrust.command, root)):
        with pytest.raises(StopError, match=rf"what is trusted cannot be .*trust\.json: ({reason}|.*Not )"):
            run(*words)
    assert not trusted(root)


def test_a_record_that_cannot_be_read_leaves_no_file_open(root: Path) -> None:
    run(trust.command, "--yes", root)
    spoil_folder(own(root) / "trust.json")
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        assert read_trust(own(root), root) is None
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_record_of_another_user_says_nothing(root: Path) -> None:
    run(trust.command, "--yes", root)
    os.chown(own(root) / "trust.json", 12345, 12345)
    assert not trusted(root)


def test_a_record_of_another_root_says_nothing(root: Path, tmp_path: Path) -> None:
    run(trust.command, "--yes", root)
    other = tmp_path / "other"
    other.mkdir()
    own(other).mkdir(parents=True)
    (own(other) / "trust.json").write_bytes((own(root) / "trust.json").read_bytes())
    (own(other) / "trust.json").chmod(0o600)
    assert not trusted(other.resolve())


def test_untrust_takes_it_back(root: Path) -> None:
    run(trust.command, "--yes", root)
    assert "is trusted any more" in run(untrust.command, root).output
    assert not trusted(root)
    assert "was trusted" in run(untrust.command, root).output


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_a_terminal_is_asked(root: Path, typed: bytes, code: int) -> None:
    ours, theirs = os.openpty()
    try:
        os.write(ours, typed)
        program = "from konivrer_watch.cli.trust import command; exit(command.main(standalone_mode=False))"
        ended = subprocess.run(
            [sys.executable, "-c", program, str(root)],
            stdin=theirs,
            capture_output=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert ended.returncode == code, ended.stderr
    assert f"Let konivrer-watch run this for {root}? [y/N]: ".encode() in ended.stdout
    assert trusted(root) is (code == 0)
