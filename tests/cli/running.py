"""Runs commands inside the test's process: faster than a process each, with real engines all the same."""

import json
from typing import Any

import click
from click.testing import CliRunner, Result

from konivrer_watch.cli.main import program


def invoke(*arguments: str) -> Result:
    """Run the program as ``main`` does, errors raised."""
    return CliRunner().invoke(program, list(arguments), standalone_mode=False, catch_exceptions=False)


def answer(*arguments: str) -> tuple[int, Any]:
    """Exit code and parsed output of a command that prints JSON."""
    result = invoke(*arguments)
    assert result.stderr == ""
    assert result.stdout.count("\n") >= 1
    return int(result.return_value), json.loads(result.stdout)


def commands() -> dict[str, click.Command]:
    """Every command by its name."""
    context = click.Context(program)
    found = {name: program.get_command(context, name) for name in program.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
