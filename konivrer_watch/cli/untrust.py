"""``konivrer-watch untrust``: takes back what ``trust`` allowed."""

import click

from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import find_root, find_state
from konivrer_watch.core.errors import StopError
from konivrer_watch.core.escape import escape
from konivrer_watch.system.trust import forget_trust, trust_file

_EPILOG = """\b
Examples:
  konivrer-watch untrust                    of the folder you are in
  konivrer-watch untrust ~/src/shop

\b
Exit codes:
  0  no command of PATH is trusted now
  2  wrong usage
"""


@click.command("untrust", epilog=_EPILOG, short_help="Trust no command of PATH any more.")
@click.argument("path", default=".")
def command(path: str) -> int:
    """Trust no command in the configuration of PATH any more."""
    root = find_root(path)
    own = find_state(root, environment()).own
    try:
        known = forget_trust(own)
    except OSError as error:
        shown = escape(str(trust_file(own)))
        raise StopError(
            f"what is trusted cannot be removed from {shown}: {error.strerror or error}"
        ) from error
    shown = escape(str(root))
    click.echo(f"no command of {shown} is trusted any more" if known else f"nothing of {shown} was trusted")
    return 0
