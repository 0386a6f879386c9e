"""Options that several commands share, and the settings they end in."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from konivrer_watch.cli.configuration import read_layers
from konivrer_watch.core.model import Pass
from konivrer_watch.core.settings import Resolved, resolve

_Command = TypeVar("_Command", bound=Callable[..., object])

passes_option = click.option(
    "--pass",
    "passes",
    metavar="PASS[,PASS]",
    help=f"Run only these passes: {', '.join(Pass)}.",
)


def format_option(*choices: str) -> Callable[[_Command], _Command]:
    """Return ``--format`` with these choices, the first being the default."""
    return click.option(
        "--format",
        "style",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How to print.",
    )


def environment() -> Mapping[str, str]:
    """Return the process's environment: here, and nowhere else, it is read."""
    return dict(os.environ)


def resolve_settings(root: Path, options: Mapping[str, object]) -> Resolved:
    """Return the settings of a root with options on top; ``UsageFault`` names every fault there is."""
    return resolve(read_layers(root, environment(), options))


def hush_event_loop() -> None:
    """Keep asyncio's warnings off the terminal: it wonders about each child that ended while the loop was closing."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)
