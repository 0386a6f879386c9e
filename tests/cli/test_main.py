"""Every command explains itself, wrong usage is answered with 2, and an error says whose fault it is."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from konivrer_watch import __version__
from konivrer_watch.cli.main import ExitCode, main, program
from konivrer_watch.core.errors import LeaseHeldError, StopError, UsageFault
from tests.cli.running import commands, invoke

COMMANDS = [
    "watch",
    "check",
    "status",
    "start",
    "stop",
    "restart",
    "logs",
    "heal",
    "service",
    "trust",
    "untrust",
    "config",
]


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``main`` as the console script does; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["konivrer-watch", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run the program where it raises this error; return the exit code."""

    def run(error: BaseException) -> int:
        def fail(**_: object) -> None:
            raise error

        monkeypatch.setattr(program, "main", fail)
        return ended(monkeypatch, "config")

    return run


def test_every_command_has_examples_and_exit_codes_in_its_help() -> None:
    assert list(commands()) == COMMANDS
    for name in commands():
        text = invoke(name, "--help").output
        assert text.startswith(f"Usage: program {name} ")
        assert "Examples:" in text
        assert "Exit codes:" in text
        assert f"konivrer-watch {'' if name == 'watch' else name}" in text


def test_every_option_says_what_it_does() -> None:
    for name, command in commands().items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"


def test_the_programs_help_shows_how_watching_works_and_names_every_command() -> None:
    text = invoke("--help").output
    assert "[PATH | COMMAND [ARGS]...]" in text
    assert "konivrer-watch                   watch the folder you are in" in text
    assert all(f"\n  {name} " in text for name in commands())
    assert all(f"\n    {code.value} " in text for code in ExitCode)
    assert invoke("-h").output == text


def test_the_version_is_told() -> None:
    assert invoke("--version").output == f"konivrer-watch, version {__version__}\n"


def test_help_fits_a_terminal_of_eighty_columns() -> None:
    for arguments in ([], *([name] for name in commands())):
        lines = invoke(*arguments, "--help").output.splitlines()
        assert max(map(len, lines)) <= 90


@pytest.mark.parametrize(
    "arguments",
    [
        ["--wrong"],
        ["check", "--wrong"],
        ["check", "--format", "xml"],
        ["status", "--timeout", "soon"],
        ["status", "--timeout", "nan"],
        ["status", "--timeout", "-1"],
        ["config", "a", "b"],
        ["a", "b"],
    ],
)
def test_wrong_usage_exits_with_2_and_shows_the_usage(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *arguments) == ExitCode.USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Usage: ")
    assert "Error: " in told.err


@pytest.mark.parametrize("more", [[], ["src"], ["--format", "json"]])
def test_a_mistyped_command_is_answered_with_those_there_are(
    more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "chekc", *more) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert (
        "chekc: there is no such command or folder; commands: " + ", ".join(COMMANDS)
        in told.split("Error: ")[1]
    )


@pytest.mark.parametrize("path", ["gone/", "./gone"])
def test_what_is_written_like_a_folder_is_one_that_is_missing(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, path) == ExitCode.USAGE
    assert capsys.readouterr().err == f"konivrer-watch: {path}: there is no such folder\n"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["watch", "--threshold", "0"], "--threshold"),
        (["watch", "--source", "x"], "--source"),
        (["watch", "--pass", "x"], "--pass"),
        (["check", "--pass", "x"], "--pass"),
        (["check", "--fail-on", "x"], "--fail-on"),
    ],
)
def test_a_fault_of_an_option_names_it_as_it_was_typed(
    arguments: list[str], option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *arguments) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"konivrer-watch: {option}: must be ")


@pytest.mark.parametrize("command", ["watch", "check"])
def test_an_unknown_pass_is_answered_with_the_allowed_ones(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, command, "--pass", "lint,foo", str(tmp_path)) == ExitCode.USAGE
    message = capsys.readouterr().err
    assert "foo" in message
    assert all(f'"{name}"' in message for name in ("lint", "optimize", "security"))


def test_a_command_name_wins_over_a_folder_and_a_path_means_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    assert ended(monkeypatch, "config") == ExitCode.CLEAN
    assert "debounce_ms" in capsys.readouterr().out
    # Watching it would go on for ever; a faulty setting of that folder shows which one is meant.
    (tmp_path / "config" / "konivrer-watch.toml").write_text("fixx = 1\n")
    assert ended(monkeypatch, "./config") == ExitCode.USAGE
    assert "konivrer-watch.toml: fixx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UsageFault("a.toml: b: no"), 2, "konivrer-watch: a.toml: b: no\n"),
        (LeaseHeldError("watched already"), 2, "konivrer-watch: watched already\n"),
        (StopError("one\x1b[31m\ntwo"), 70, "konivrer-watch: one\\x1b[31m\ntwo\n"),
        (ExceptionGroup("tasks", [StopError("why")]), 70, "konivrer-watch: why\n"),
        (
            ExceptionGroup("tasks", [ExceptionGroup("more", [UsageFault("a")]), StopError("b")]),
            70,
            "konivrer-watch: a\nkonivrer-watch: b\n",
        ),
        (OSError(errno.ENOSPC, "Full"), 70, "konivrer-watch: the output cannot be written: Full\n"),
        (BrokenPipeError(), 0, ""),
        (KeyboardInterrupt(), 130, ""),
        (click.exceptions.Abort(), 130, ""),
    ],
)
def test_what_a_user_can_mend_is_told_in_words(
    error: BaseException,
    code: int,
    told: str,
    failing: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert failing(error) == code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        OSError(errno.ENOSPC, "Full", "/some/file"),
        ExceptionGroup("tasks", [StopError("why"), ValueError("bug")]),
    ],
)
def test_a_fault_of_ours_shows_where_it_is_and_asks_for_a_report(
    error: Exception, failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(error) == ExitCode.FAILURE
    message = capsys.readouterr().err
    assert "Traceback" in message
    assert message.endswith("please report it\n")
