"""Options that several commands share, and the settings they end in."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import click

from konivrer_watch.cli.configuration import read_layers
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.core.model import Pass
from konivrer_watch.core.settings import Resolved, resolve

_Command = TypeVar("_Command", bound=Callable[..., object])

_OPTIONS = {
    "passes": "--pass",
    "source": "--source",
    "resource_threshold": "--threshold",
    "fail_on": "--fail-on",
}

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
    """Return the settings of a root with options on top; ``UsageFault`` names every fault there is, as it was typed."""
    try:
        resolved = resolve(read_layers(root, environment(), options))
    except UsageFault as error:
        lines = [_as_typed(line) for line in str(error).split("\n")]
        raise UsageFault("\n".join(lines)) from error
    if resolved.settings.source == "inotify":
        raise UsageFault('source = "inotify" is not there yet in this version; use auto, watchfiles or poll')
    return resolved


def _as_typed(fault: str) -> str:
    """A fault of an option under the name that was typed, not under that of its setting."""
    for key, option in _OPTIONS.items():
        if fault.startswith(f"options: {key}: "):
            return option + fault.removeprefix(f"options: {key}")
    return fault


def hush_event_loop() -> None:
    """Keep asyncio's warnings off the terminal: it wonders about each child that ended while the loop was closing."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def write_output(data: bytes) -> None:
    """Write to standard output. Whether its reader is still there, as it is not after ``| head``, changes nothing.

    Raises ``StopError`` where it cannot be written for another reason.
    """
    try:
        with suppress(BrokenPipeError):
            left = memoryview(data)
            while left:
                # Unbuffered (PYTHONUNBUFFERED), a write may take a part only.
                left = left[sys.stdout.buffer.write(left) :]
            sys.stdout.flush()
    except OSError as error:
        raise StopError(f"the output cannot be written: {error.strerror or error}") from error
