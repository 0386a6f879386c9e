"""A unit says what it means whatever a path is called; systemd itself reads it without a word, and finds it safe."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.report.unit import Service, read_unit, render_unit, unit_name

ANALYZE = shutil.which("systemd-analyze")
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
UGLY = "/srv/we ird %h $HOME ${X} \"q\" 'a' \\ \\x41 ; # é -"
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40
)


def service(root: str = "/home/ada/src", user: str | None = None, **more: object) -> Service:
    """A service whose programs are there."""
    base = Service(
        name="src-0123456789ab",
        root=os.fsencode(root),
        state=b"/home/ada/.local/state/konivrer-watch",
        python=sys.executable,
        user=user,
        environment={"KONIVRER_WATCH_STATE_DIR": "/home/ada/.local/state/konivrer-watch"},
        prepare=["/bin/mkdir", "-p", "-m", "0700", "/home/ada/.local/state/konivrer-watch"],
        elsewhere=[],
        check_interval=60.0,
        cpu_quota=50,
        memory_max=512 << 20,
        pulls=True,
    )
    return msgspec.structs.replace(base, **more)


def values(text: str, key: str) -> list[str]:
    """What the unit sets ``key`` to, line by line."""
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def words(line: str) -> list[str]:
    """Read words as systemd.syntax(7) says: in double quotes, with C escapes, ``%%`` for a per cent sign."""
    found = [match[1] for match in re.finditer(r'"((?:[^"\\]|\\.)*)"', line)]
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in found]


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; a user's units want a runtime folder."""
    assert ANALYZE is not None
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_LOG_LEVEL": "info"}
    return subprocess.run(
        [ANALYZE, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@given(root=NAMES, state=NAMES, value=NAMES)
def test_every_path_and_value_is_read_as_it_was_written(root: str, state: str, value: str) -> None:
    text = render_unit(
        service(f"/{root}", state=os.fsencode(f"/{state}"), environment={"KONIVRER_WATCH_X": value})
    )
    assert words(values(text, "ExecStart")[0])[-1] == f"/{root}"
    assert words(values(text, "ReadWritePaths")[0]) == [f"-/{state}", f"-/{root}"]
    assert words(values(text, "Environment")[0]) == [f"KONIVRER_WATCH_X={value}"]
    assert values(text, "Description")[0].replace("%%", "%") == f"konivrer-watch of /{root}"


def test_no_dollar_sign_has_a_meaning_in_the_commands() -> None:
    text = render_unit(service(UGLY))
    assert values(text, "ExecStart")[0].startswith(":")
    assert values(text, "ExecStartPre")[0].startswith("+:")


@pytest.mark.parametrize("bad", [b"/a\nb", b"/a\tb", b"/a\x7f", b"/a\xff"])
@pytest.mark.parametrize("what", ["root", "state"])
def test_a_path_that_no_unit_can_hold_is_refused_with_the_reason(bad: bytes, what: str) -> None:
    with pytest.raises(UsageFault, match=r"a unit holds UTF-8 text without line ends") as caught:
        render_unit(msgspec.structs.replace(service(), **{what: bad}))
    assert "\n" not in str(caught.value)


def test_a_value_with_a_line_end_is_refused() -> None:
    with pytest.raises(UsageFault, match="a unit holds UTF-8 text"):
        render_unit(service(environment={"KONIVRER_WATCH_VERIFY": "a\nUser=root"}))


def test_limits_and_intervals_are_those_of_the_settings() -> None:
    text = render_unit(service(check_interval=1.5, cpu_quota=150, memory_max=64 << 20))
    assert values(text, "WatchdogSec") == ["1.5"]
    assert values(text, "CPUQuota") == ["150%"]
    assert values(text, "MemoryMax") == [str(64 << 20)]


def test_the_network_is_allowed_only_for_a_pull() -> None:
    assert values(render_unit(service()), "RestrictAddressFamilies") == ["AF_UNIX AF_INET AF_INET6"]
    assert values(render_unit(service(pulls=False)), "RestrictAddressFamilies") == ["AF_UNIX"]


@pytest.mark.parametrize("user", [None, "ada"])
def test_the_root_is_written_only_by_a_pull_and_then_what_git_has_elsewhere_is_too(user: str | None) -> None:
    git = [b"/srv/trunk/.git/worktrees/src", b"/srv/trunk/.git"]
    state, root = "/home/ada/.local/state/konivrer-watch", "/home/ada/src"
    pulling, looking = (render_unit(service(root, user, pulls=pulls, git=git)) for pulls in (True, False))
    written = [f"-{root}", *(f"-{place.decode()}" for place in git)]
    assert words(values(pulling, "ReadWritePaths")[0]) == [f"-{state}", *written]
    assert words(values(looking, "ReadWritePaths")[0]) == [f"-{state}", f"-{root}/.git"]


def test_only_a_pull_may_give_folders_a_groups_bit() -> None:
    assert values(render_unit(service()), "RestrictSUIDSGID") == []
    assert values(render_unit(service(pulls=False)), "RestrictSUIDSGID") == ["yes"]


def test_ssh_meets_no_file_of_roots_that_a_users_sandbox_shows_as_nobodys() -> None:
    assert values(render_unit(service()), "InaccessiblePaths") == ["-/etc/ssh/ssh_config.d"]
    for other in (service(pulls=False), service(user="ada"), service(walled=False)):
        assert values(render_unit(other), "InaccessiblePaths") == []


def test_a_system_unit_names_its_user_and_a_users_own_does_not() -> None:
    own, system = render_unit(service()), render_unit(service(user="ada"))
    assert values(own, "User") == []
    assert values(own, "WantedBy") == ["default.target"]
    assert values(system, "User") == ["ada"]
    assert values(system, "WantedBy") == ["multi-user.target"]


@pytest.mark.parametrize(
    "hidden",
    [
        {"root": b"/tmp/src"},
        {"state": b"/var/tmp/s"},
        {"elsewhere": [b"/tmp/venv"]},
        {"git": [b"/tmp/trunk/.git"]},
    ],
)
def test_nothing_that_lies_in_the_temporary_folder_is_hidden(hidden: dict[str, object]) -> None:
    other = service(python="/opt/venv/bin/python")
    assert values(render_unit(other), "PrivateTmp") == ["yes"]
    assert values(render_unit(msgspec.structs.replace(other, **hidden)), "PrivateTmp") == []


def test_without_walls_nothing_is_left_that_needs_a_namespace() -> None:
    text = render_unit(service(walled=False))
    assert not re.search("^(Protect|Private|ReadWrite|RestrictNamespaces|Capability)", text, re.MULTILINE)
    assert values(text, "NoNewPrivileges") == ["yes"]


def test_a_unit_remembers_that_its_install_made_the_user_linger() -> None:
    assert read_unit(render_unit(service(lingers=True))).lingers
    assert not read_unit(render_unit(service())).lingers


@given(user=st.none() | NAMES, variables=st.dictionaries(st.sampled_from(["A", "STATE_DIR"]), NAMES))
def test_a_units_user_and_variables_are_read_off_it_again(
    user: str | None, variables: dict[str, str]
) -> None:
    installed = read_unit(render_unit(service(user=user, environment=variables)))
    assert (installed.user, installed.environment) == (user, variables)


@given(st.text(max_size=60))
def test_a_units_name_has_only_the_characters_a_unit_may_have(name: str) -> None:
    assert re.fullmatch(r"konivrer-watch-[A-Za-z0-9_.-]*\.service", unit_name(name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("units")


@needs_analyze
@pytest.mark.parametrize("user", [None, "root"])
@settings(max_examples=4)
@given(names=st.lists(NAMES, min_size=25, max_size=25))
def test_systemd_reads_the_unit_of_any_path_without_a_word(
    user: str | None, names: list[str], folder: Path
) -> None:
    files = []
    for number, name in enumerate([UGLY, *names]):
        files.append(folder / unit_name(f"{number}"))
        text = render_unit(
            service(f"/srv/{name}", user, state=os.fsencode(f"/s/{name}"), lingers=user is None)
        )
        files[-1].write_text(text, "utf-8")
    told = analyze(folder, "verify", *([] if user else ["--user"]), *map(str, files))
    assert (told.returncode, told.stderr) == (0, "")


@needs_analyze
def test_systemd_would_say_what_it_does_not_understand(folder: Path) -> None:
    file = folder / unit_name("wrong")
    file.write_text(render_unit(service()).replace("RestartSec=500ms", "RestartSec=soon"), "utf-8")
    assert "Failed to parse" in analyze(folder, "verify", "--user", str(file)).stderr


@needs_analyze
@pytest.mark.parametrize("root", ["/home/ada/src", "/tmp/src"])
@pytest.mark.parametrize("user", [None, "daemon"])
@pytest.mark.parametrize("pulls", [True, False])
def test_systemd_finds_little_exposed(pulls: bool, user: str | None, root: str, tmp_path: Path) -> None:
    file = tmp_path / unit_name("src")
    file.write_text(render_unit(service(root, user, pulls=pulls)))
    told = analyze(tmp_path, "security", "--offline=true", "--threshold=30", str(file))
    assert told.returncode == 0, told.stdout
