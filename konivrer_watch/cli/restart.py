"""``konivrer-watch restart``: end the background service of PATH, where there is one, and start it."""

import click

from konivrer_watch.cli.options import environment, resolve_settings
from konivrer_watch.cli.places import find_root, find_state
from konivrer_watch.cli.start import start_service
from konivrer_watch.cli.state_fault import demand_usable
from konivrer_watch.cli.stop import end_service

_EPILOG = """\b
Examples:
  konivrer-watch restart                    the service of the folder you are in
  konivrer-watch restart ~/src/app

\b
Exit codes: those of start, and those of stop where it cannot be ended
"""


@click.command("restart", epilog=_EPILOG, short_help="End and start the background service of PATH.")
@click.argument("path", default=".")
def command(path: str) -> int:
    """End the background service of PATH, where there is one, and start it."""
    root = find_root(path)
    # What cannot be started again is not ended.
    resolve_settings(root, {})
    folders = find_state(root, environment())
    demand_usable(folders)
    end_service(root, folders, anew=True)
    return start_service(root, folders, environment())
