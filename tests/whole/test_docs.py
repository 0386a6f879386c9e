"""The README names every command, option, exit code and setting that there is."""

import re
from pathlib import Path

import click
import pytest

from konivrer_watch.cli.configuration import NO_EFFECT_YET, NOT_SETTINGS
from konivrer_watch.cli.main import ExitCode
from konivrer_watch.core.settings import KINDS, Settings, flat
from tests.cli.running import commands

README = (Path(__file__).parents[2] / "README.md").read_text()
OPTIONS = sorted(
    {
        (name, option)
        for name, command in commands().items()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
)
VALUES = sorted(
    {
        choice
        for command in commands().values()
        for parameter in command.params
        if isinstance(parameter.type, click.Choice)
        for choice in parameter.type.choices
    }
)


def is_named(word: str) -> bool:
    """Whether the word stands by itself somewhere: ``--pass`` is not in ``--passes``."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", README) is not None


@pytest.mark.parametrize("name", [name for name in commands() if name != "watch"])
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"konivrer-watch {name}" in README


def test_watching_is_in_the_readme_by_its_short_form() -> None:
    assert re.search(r"konivrer-watch (\[PATH\]|\.)", README)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_in_the_readme(command: str, option: str) -> None:
    assert is_named(option), f"{option} of {command}"


@pytest.mark.parametrize("value", VALUES)
def test_every_choice_of_an_option_is_in_the_readme(value: str) -> None:
    assert is_named(value)


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_has_a_row_in_the_readme(code: ExitCode) -> None:
    assert re.search(rf"^\|\s*`?{code.value}`?\s*\|", README, re.MULTILINE)


@pytest.mark.parametrize("key", list(KINDS))
def test_every_setting_is_in_the_readme(key: str) -> None:
    assert is_named(key)


def test_the_readme_marks_exactly_the_settings_that_have_no_effect_yet() -> None:
    assert set(re.findall(r"`([a-z_.]+)`\*", README)) == NO_EFFECT_YET
    assert set(KINDS) >= NO_EFFECT_YET


@pytest.mark.parametrize("variable", sorted(NOT_SETTINGS))
def test_every_variable_is_in_the_readme(variable: str) -> None:
    assert is_named(variable)


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, value in flat(Settings()).items() if type(value) is int and key != "memory_max"],
)
def test_every_number_that_is_a_default_stands_in_the_row_of_its_setting(key: str, value: int) -> None:
    rows = [line for line in README.splitlines() if re.search(rf"`{re.escape(key)}`", line)]
    assert any(re.search(rf"(?<!\d){value}(?!\d)", row) for row in rows), f"{key} = {value}"


def test_the_readme_names_no_option_that_does_not_exist() -> None:
    known = {option for _, option in OPTIONS} | {"--help", "--version"}
    examples = [line for line in README.splitlines() if line.lstrip("$ ").startswith("konivrer-watch ")]
    named = {option for line in examples for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", line)}
    assert named <= known
