"""The command line: arguments in, exit codes out. The only reader of the environment."""

import sys
import traceback
from enum import IntEnum

import click

from konivrer_watch import __version__
from konivrer_watch.core.errors import StopError


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
    "config": "konivrer_watch.cli.config",
}


class _Program(click.Group):
    """Commands are imported when they are used; what is no command is a folder to watch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _MODULES:
            return None
        from importlib import import_module

        command = import_module(_MODULES[name]).command
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", *_MODULES}
        return super().parse_args(ctx, args if args and args[0] in own else ["watch", *args])


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Without a command, 'konivrer-watch [PATH]' watches PATH. 'konivrer-watch COMMAND --help' has examples.",
    help="Watch a Python repository and keep its lint, optimize and security verdicts current.",
)
@click.version_option(__version__, prog_name="konivrer-watch")
def program() -> None:
    """Hold the commands together."""


def main() -> None:
    """Run the program and end the process."""
    try:
        code = program.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except StopError as error:
        click.echo(f"konivrer-watch: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader went away, as `| head` does. Nothing more can be said to it.
        sys.stderr.close()
        code = ExitCode.CLEAN
    except Exception:
        traceback.print_exc()
        click.echo("konivrer-watch: this is a fault of the program itself; please report it", err=True)
        code = ExitCode.FAILURE
    sys.exit(code if isinstance(code, int) else ExitCode.CLEAN)
