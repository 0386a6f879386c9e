"""The command line: arguments in, exit codes out."""

import errno
import gc
import os
import sys
import traceback
from contextlib import suppress
from enum import IntEnum

import click

from konivrer_watch import __version__
from konivrer_watch.core.errors import StopError
from konivrer_watch.report.text import escape
from konivrer_watch.system.limits import forbid_core_dumps


class ExitCode(IntEnum):
    """What the process's end tells the caller."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    FAILURE = 70
    INTERRUPTED = 130


_MODULES = {
    "watch": "konivrer_watch.cli.watch",
    "check": "konivrer_watch.cli.check",
    "status": "konivrer_watch.cli.status",
    "start": "konivrer_watch.cli.start",
    "stop": "konivrer_watch.cli.stop",
    "restart": "konivrer_watch.cli.restart",
    "logs": "konivrer_watch.cli.logs",
    "heal": "konivrer_watch.cli.heal",
    "service": "konivrer_watch.cli.service",
    "trust": "konivrer_watch.cli.trust",
    "untrust": "konivrer_watch.cli.untrust",
    "config": "konivrer_watch.cli.config",
}
# What our own units and containers run. A folder of yours is hardly ever called so.
_INNER_MODULES = {
    "_serve": "konivrer_watch.cli.serve",
    "_supervise": "konivrer_watch.cli.supervise",
    "_monitor": "konivrer_watch.cli.monitor",
}

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_EPILOG = """Without a command, PATH is watched until Ctrl-C; it is '.' where none is named.

\b
Examples:
  konivrer-watch                   watch the folder you are in
  konivrer-watch src               watch the folder src
  konivrer-watch ./check           watch a folder that is named like a command
  konivrer-watch check             one verdict, now
  konivrer-watch status --sync     what holds, once all that was saved is judged
  konivrer-watch check --help      examples and exit codes of a command

\b
Exit codes:
  0    complete, and no findings at or above fail_on
  1    findings at or above fail_on
  2    wrong usage or configuration; every fault is named
  3    no such findings, but something could not be judged
  70   the program itself failed
  130  interrupted
"""


class _Program(click.Group):
    """Commands are imported when they are used; what is no command is a folder to watch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module = _MODULES.get(name) or _INNER_MODULES.get(name)
        if module is None:
            return None
        from importlib import import_module

        command = import_module(module).command
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] in {"--help", "-h", "--version", *_MODULES, *_INNER_MODULES}:
            return super().parse_args(ctx, args)
        if args and _is_mistyped(args[0]):
            commands = ", ".join(_MODULES)
            raise click.UsageError(
                f"{escape(args[0])}: there is no such command or folder; commands: {commands}", ctx
            )
        return super().parse_args(ctx, ["watch", *args])


def _is_mistyped(word: str) -> bool:
    """Whether a word that is no command looks like one rather than like a folder."""
    return word[:1] not in ("", "-") and "/" not in word and not os.path.lexists(word)


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    options_metavar="[OPTIONS]",
    subcommand_metavar="[PATH | COMMAND [ARGS]...]",
    epilog=_EPILOG,
    help="Watch a Python repository and keep its lint, optimize and security verdicts current.",
)
@click.version_option(__version__, prog_name="konivrer-watch")
def program() -> None:
    """Hold the commands together."""


def main() -> None:
    """Run the program and end the process."""
    # All commands but the watcher end soon and leave hardly any cycles: looking for them took a sixth of a warm check.
    gc.disable()
    forbid_core_dumps()
    _open_standard_streams()
    try:
        code = program.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except BrokenPipeError:
        # The reader went away, as `| head` does. Nothing more can be said to it.
        code = ExitCode.CLEAN
    except Exception as error:
        code = _tell(error)
    _leave_standard_output()
    sys.exit(code if isinstance(code, int) else ExitCode.CLEAN)


def run() -> None:
    """Be the command: run the program, and end the process without taking the interpreter apart.

    All that was opened is closed by then; freeing what is left, object by object, took a tenth of a warm check.
    """
    code = ExitCode.FAILURE.value
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _tell(error: Exception) -> int:
    """Say what ended the program, and return its exit code; of several errors a fault of ours weighs most."""
    stops, faults = _split(error)
    if faults:
        traceback.print_exception(error)
        click.echo("konivrer-watch: this is a fault of the program itself; please report it", err=True)
        return ExitCode.FAILURE
    for stop in stops:
        lines = [escape(line) for line in str(stop).split("\n")]
        click.echo("konivrer-watch: " + "\n".join(lines), err=True)
    return max(stop.exit_code for stop in stops)


def _split(error: Exception) -> tuple[list[StopError], list[Exception]]:
    """Return what a user can mend and what is a fault of ours; task groups wrap what their tasks raise."""
    if isinstance(error, StopError):
        return [error], []
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        return [StopError(f"the output cannot be written: {error.strerror}")], []
    if not isinstance(error, ExceptionGroup):
        return [], [error]
    parts = [_split(part) for part in error.exceptions]
    return [stop for stops, _ in parts for stop in stops], [fault for _, some in parts for fault in some]


def _open_standard_streams() -> None:
    """Put the null device where a stream is closed, lest the next opened file becomes standard output."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _leave_standard_output() -> None:
    """Flush; what nobody takes is dropped here, where it would else change the exit code (to 120)."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
