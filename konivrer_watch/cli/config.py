"""``konivrer-watch config``: the effective settings and where each came from."""

from typing import Literal

import click

from konivrer_watch.cli.configuration import render_config
from konivrer_watch.cli.options import format_option, resolve_settings, write_output
from konivrer_watch.cli.places import find_root

_EPILOG = """\b
Examples:
  konivrer-watch config                     of the folder you are in
  konivrer-watch config --format json src | jq '.settings.exclude'

\b
Exit codes:
  0  every setting is valid
  2  wrong usage or configuration; every fault is named, with its file and key
"""


@click.command("config", epilog=_EPILOG, short_help="The effective settings and where each came from.")
@click.argument("path", default=".")
@format_option("text", "json")
def command(path: str, style: Literal["text", "json"]) -> None:
    """Show the settings that hold for PATH, each with its origin."""
    root = find_root(path)
    write_output(f"{render_config(resolve_settings(root, {}), style, root)}\n".encode())
