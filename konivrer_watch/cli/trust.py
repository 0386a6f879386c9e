"""``konivrer-watch trust``: lets a repository's configuration run its commands, bound to their exact text."""

import sys
from pathlib import Path

import click

from konivrer_watch.cli.configuration import read_layers
from konivrer_watch.cli.options import environment
from konivrer_watch.cli.places import STATE_VARIABLE, find_root, find_state
from konivrer_watch.core.errors import StopError, UsageFault
from konivrer_watch.core.escape import escape
from konivrer_watch.core.settings import resolve
from konivrer_watch.core.trust import Command, TrustRecord, agree, agreed_at, commands_of, show
from konivrer_watch.system.record import now_text
from konivrer_watch.system.trust import is_inside, read_trust, trust_file, write_trust

_LEGEND = (
    "    (\\uXXXX stands for a character that cannot be seen, or is not ASCII, by its number; "
    "{N} behind it for N of them in a row)"
)
_EPILOG = """\b
Examples:
  konivrer-watch trust                      of this folder, once you have seen it
  konivrer-watch trust --list               its commands, trusted or not
  konivrer-watch trust --yes ~/src/shop     without asking, for scripts

\b
Exit codes:
  0  trusted, or there is nothing to trust
  1  you said no
  2  wrong usage or configuration
"""


@click.command("trust", epilog=_EPILOG, short_help="Let the configuration of PATH run its commands.")
@click.argument("path", default=".")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--list", "only_list", is_flag=True, help="Show the commands and whether they are trusted.")
def command(path: str, yes: bool, only_list: bool) -> int:
    """Trust the commands in the configuration of PATH, as they read now. Other text has to be trusted again."""
    root, own = find_trusted(path)
    commands, origins = _read_commands(root)
    record = read_trust(own, root)
    if not commands:
        click.echo(f"nothing to trust: the configuration of {escape(str(root))} holds no command")
        return 0
    new = [each for each in commands if agreed_at(record, bytes(root), each) is None]
    for each in commands:
        state = "not trusted" if each in new else f"trusted since {agreed_at(record, bytes(root), each)}"
        click.echo(f"{each.key} ({escape(origins[each.key])}): {state}\n    {show(each.text)}")
        if show(each.text) != each.text:
            click.echo(_LEGEND)
    if only_list or not new:
        return 0
    if not yes and not _is_confirmed(root):
        click.echo("nothing was trusted")
        return 1
    known = record if record is not None and record.root == bytes(root) else TrustRecord(bytes(root))
    try:
        write_trust(own, agree(known, commands, now_text()))
    except OSError as error:
        shown = escape(str(trust_file(own)))
        raise StopError(f"what is trusted cannot be written to {shown}: {error.strerror or error}") from error
    for each in new:
        click.echo(f"trusted: {each.key}, SHA-256 {each.digest}")
    return 0


def find_trusted(path: str) -> tuple[Path, Path]:
    """Return a root and the folder that remembers what is trusted of it.

    Raises ``UsageFault`` where that lies in the root or its work tree: a commit could then bring its own trust along.
    """
    root = find_root(path)
    own = find_state(root, environment()).own
    if is_inside(own, root):
        raise UsageFault(
            f"{STATE_VARIABLE}: {escape(str(own))} lies in the folder to trust, or in its work tree, "
            "which could so trust itself; name one outside of it"
        )
    return root, own


def _read_commands(root: Path) -> tuple[tuple[Command, ...], dict[str, str]]:
    """The commands of the repository's files, for the environment is the user's own; and where each is from."""
    resolved = resolve(read_layers(root, {}, {}))
    return commands_of(resolved.settings), dict(resolved.origins)


def _is_confirmed(root: Path) -> bool:
    if not sys.stdin.isatty():
        raise UsageFault("nobody can be asked: standard input is no terminal; give --yes")
    return click.confirm(f"Let konivrer-watch run this for {escape(str(root))}?")
