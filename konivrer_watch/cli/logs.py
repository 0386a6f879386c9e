"""``konivrer-watch logs``: what the background service of a root wrote down."""

import re
import select
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import itemgetter
from pathlib import Path

import click

from konivrer_watch.cli.options import environment, write_output
from konivrer_watch.cli.places import find_known_root, find_state
from konivrer_watch.cli.state_fault import StateFault, state_fault
from konivrer_watch.core.errors import StopError
from konivrer_watch.core.model import LogFile
from konivrer_watch.report.text import escape, path_text
from konivrer_watch.system.log_reader import LogReader

_LOOK_SECONDS = 0.2
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?= )")

_EPILOG = """\b
Examples:
  konivrer-watch logs                       the last 40 lines, of the folder you are in
  konivrer-watch logs -f ~/src/app          go on as lines are written, until Ctrl-C
  konivrer-watch logs --service -n 5        the last starts, stops and crashes
  konivrer-watch logs -n 100000 | grep pkg/a.py

\b
Exit codes:
  0    shown, also where nothing is logged yet, or the reader of the output went away
  2    wrong usage
  70   the logs cannot be looked into; why is said
  130  ended by Ctrl-C
"""


@click.command("logs", epilog=_EPILOG, short_help="What the background service of PATH wrote down.")
@click.argument("path", default=".")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written.")
@click.option(
    "-n",
    "--lines",
    metavar="LINES",
    type=click.IntRange(0),
    default=40,
    show_default=True,
    help="How many of the last lines to begin with.",
)
@click.option("--service", is_flag=True, help="Only its starts, stops, crashes and restarts.")
@click.option("--automation", is_flag=True, help="Only what it saw and judged.")
@click.option("--heal", is_flag=True, help="Only what it healed.")
def command(path: str, follow: bool, lines: int, service: bool, automation: bool, heal: bool) -> int:
    """Show the last lines that PATH's background service logged, by time; of several logs each line names its own."""
    root = find_known_root(path, environment())
    folders = find_state(root, environment())
    fault = state_fault(folders)
    if fault is not None and fault.is_blind:
        raise StopError(f"{fault.reason}; {fault.remedy}")
    folder = folders.own / "logs"
    wanted = {LogFile.SERVICE: service, LogFile.AUTOMATION: automation, LogFile.HEAL: heal}
    chosen = [file for file, is_wanted in wanted.items() if is_wanted] or list(LogFile)
    readers = {file: LogReader(folder / file) for file in chosen}
    recent = _merged({file: reader.last(lines) for file, reader in readers.items()})
    if not recent:
        _explain(folder, chosen, root, fault)
    _show(recent[-lines:] if lines else [])
    while follow and not _is_reader_gone():
        time.sleep(_LOOK_SECONDS)
        _show(_merged({file: reader.more() for file, reader in readers.items()}))
    return 0


def _merged(logs: Mapping[LogFile, Sequence[bytes]]) -> list[str]:
    """The lines of all logs in the order of their times; each log's own order stays."""
    width = max(len(_name(file)) for file in logs)
    several = len(logs) > 1
    dated = [_dated(f"{_name(file):{width}}  " if several else "", lines) for file, lines in logs.items()]
    return [line for _, line in merge(*dated, key=itemgetter(0))]


def _dated(prefix: str, lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Each line and its time; one without is of the time of the line before."""
    at = ""
    for line in lines:
        text = escape(path_text(line))
        found = _STAMP.match(text)
        at = found[0] if found else at
        yield at, prefix + text


def _name(file: LogFile) -> str:
    return file.name.lower()


def _show(lines: Sequence[str]) -> None:
    if lines:
        write_output("".join([f"{line}\n" for line in lines]).encode())


def _is_reader_gone() -> bool:
    """Whether nobody can read standard output any more; writing alone would not tell while nothing is written."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _explain(folder: Path, chosen: Sequence[LogFile], root: Path, fault: StateFault | None) -> None:
    """Say on standard error why there is nothing to show."""
    if any((folder / file).exists() for file in chosen):
        return
    if any((folder / file).exists() for file in LogFile):
        note = f"nothing is logged yet in {', '.join(chosen)}"
    elif fault is not None:
        note = f"nothing is logged yet; {fault.reason}; {fault.remedy}"
    else:
        start = f"konivrer-watch start {shlex.quote(str(root))}"
        note = f"nothing is logged yet; the background service starts with: {start}"
    click.echo(escape(note), err=True)
