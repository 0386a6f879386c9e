"""``konivrer-watch check``: one verdict, now."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import click

from konivrer_watch import __version__
from konivrer_watch.cli.grounds import find_place, read_packs
from konivrer_watch.cli.options import (
    environment,
    format_option,
    hush_event_loop,
    passes_option,
    resolve_settings,
    write_output,
)
from konivrer_watch.cli.places import find_root, find_state
from konivrer_watch.cli.progress import ProgressBar
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.daemon.once import Request, check
from konivrer_watch.daemon.workbench import Memory
from konivrer_watch.report.json import to_json
from konivrer_watch.report.text import escape, to_text
from konivrer_watch.report.verdicts import Report, exit_code

_EPILOG = """\b
Examples:
  konivrer-watch check                      the folder you are in
  konivrer-watch check src/app.py tests     a file and a folder in it
  konivrer-watch check --format json . | jq '.findings[].code'
  konivrer-watch check --pass security --fail-on error

\b
Exit codes:
  0    complete, and no findings at or above --fail-on
  1    findings at or above --fail-on
  2    wrong usage or configuration; every fault is named
  3    no such findings, but something could not be judged
  130  interrupted
"""


@click.command("check", epilog=_EPILOG, short_help="One verdict over the tree or the given files.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@format_option("text", "json")
@click.option("--output", metavar="FILE", help="Write the report to FILE instead of standard output.")
@click.option("--no-cache", is_flag=True, help="Judge everything afresh, and remember nothing.")
@passes_option
@click.option("--fail-on", metavar="LEVEL", help="error, warning, note or never: what makes the exit code 1.")
def command(
    paths: tuple[str, ...],
    style: str,
    output: str | None,
    no_cache: bool,
    passes: str | None,
    fail_on: str | None,
) -> int:
    """Judge the tree below PATH, or the given files, once. Verdicts are remembered by content."""
    root, only = _targets(paths)
    settings = resolve_settings(root, {"passes": passes, "fail_on": fail_on}).settings
    folders = find_state(root, environment())
    request = Request(
        place=find_place(root, folders, environment()),
        packs=read_packs(),
        settings=settings,
        folders=folders,
        memory=Memory.NONE if no_cache else Memory.KEPT,
        only=only,
    )
    hush_event_loop()
    warnings: list[str] = []
    reports: list[Report] = []

    async def run() -> None:
        # Not returned: at its end the event loop spells out what its task returned, and this can be large.
        reports.append(await check(request, bar.update, warnings.append))

    with _terminable(), ProgressBar(shown=sys.stderr.isatty()) as bar:
        anyio.run(run)
    report = reports[0]
    for warning in warnings:
        click.echo(f"konivrer-watch: {escape(warning)}", err=True)
    if style == "json":
        _write(to_json(report, __version__) + b"\n", output)
    else:
        color = output is None and sys.stdout.isatty() and "NO_COLOR" not in environment()
        _write(to_text(report, color=color).encode() + b"\n", output)
    return exit_code(report, settings.fail_on)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the check as Ctrl-C does, engines included."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _targets(paths: tuple[str, ...]) -> tuple[Path, frozenset[bytes] | None]:
    """Return the root and what to judge in it: a lone folder is the root, else the folder we are in is."""
    if not paths:
        return find_root("."), None
    if len(paths) == 1 and Path(paths[0]).is_dir():
        return find_root(paths[0]), None
    named = [(text, _existing(text)) for text in paths]
    root = find_root(".")
    if not all(path.is_relative_to(root) for _, path in named):
        if len(named) > 1:
            outside = next(text for text, path in named if not path.is_relative_to(root))
            raise UsageFault(
                f"{escape(outside)}: lies outside {root}; run the check in a folder that holds all paths"
            )
        root = find_root(str(named[0][1].parent))
    return root, frozenset([bytes(path.relative_to(root)) if path != root else b"" for _, path in named])


def _existing(text: str) -> Path:
    path = Path(text)
    with suppress(OSError, RuntimeError, ValueError):
        # The last component stays as it is: a link is judged under its own name.
        absolute = (
            path.parent.resolve(strict=True) / path.name if path.name not in {"", ".."} else path.resolve()
        )
        if absolute.exists():
            return absolute
    raise UsageFault(f"{escape(text)}: there is no such file or folder")


def _write(data: bytes, output: str | None) -> None:
    if output is None:
        write_output(data)
        return
    try:
        Path(output).write_bytes(data)
    except OSError as error:
        raise UsageFault(f"--output {escape(output)}: {error.strerror or error}") from error
