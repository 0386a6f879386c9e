"""``konivrer-watch service``: the system keeps the service of a root alive, from boot on."""

import sys
from pathlib import Path
from typing import Literal

import click

from konivrer_watch.cli.options import environment, write_output
from konivrer_watch.cli.places import STATE_VARIABLE, find_root, find_state, name_root
from konivrer_watch.core.errors import UsageFault

_EPILOG = """\b
Examples:
  konivrer-watch service install            of this folder, by your own manager
  sudo konivrer-watch service install --system src
  konivrer-watch service show src           the unit; nothing is touched
  konivrer-watch service uninstall src

\b
A unit holds check_interval, cpu_quota, memory_max, pull, the place of the git
repository and all KONIVRER_WATCH_ variables as they are when it is installed.
Install again after changing them.

\b
Exit codes:
  0  done
  1  installed, but the service does not run yet; it goes on trying
  2  wrong usage or configuration, or the system is not what is needed
"""

Action = Literal["install", "uninstall", "show"]


@click.command(
    "service", epilog=_EPILOG, short_help="Run PATH's service from boot on: install, uninstall, show."
)
@click.argument("action", type=click.Choice(["install", "uninstall", "show"]))
@click.argument("path", default=".")
@click.option("--systemd", is_flag=True, help="By systemd (the default).")
@click.option("--docker", is_flag=True, help="By Docker, in a container.")
@click.option("--launchd", is_flag=True, help="By macOS's launchd; only shown.")
@click.option("--user/--system", "own", default=True, help="By your own manager (default), or the machine's.")
@click.option("--run-as", metavar="USER", help="Whom a system unit runs as; default: who called sudo.")
def command(
    action: Action, path: str, systemd: bool, docker: bool, launchd: bool, own: bool, run_as: str | None
) -> int:
    """Let the system run the service of PATH: from boot on, and again whenever it ends."""
    kinds = [name for name, told in (("systemd", systemd), ("docker", docker), ("launchd", launchd)) if told]
    if len(kinds) > 1:
        raise click.UsageError(f"--{kinds[0]} and --{kinds[1]} do not go together; name one of them")
    if (docker or launchd) and (run_as is not None or not own):
        raise click.UsageError(f"--system and --run-as do not go with --{kinds[0]}")
    if own and run_as is not None:
        raise click.UsageError("--run-as goes with --system; your own manager runs all as you")
    # The service of a root that was removed or moved can be ended all the same.
    named = name_root(path, environment())
    if docker:
        return _by_docker(action, named if action == "uninstall" else find_root(path))
    if launchd:
        return _by_launchd(action, find_root(path))
    from konivrer_watch.cli import service_place, service_removal, service_systemd

    if action == "uninstall":
        return service_removal.uninstall(named, own=own, run_as=run_as)
    if action == "show" and not named.exists() and service_systemd.show_installed(named, own=own):
        return 0
    place = service_place.find_placement(find_root(path), own=own, run_as=run_as)
    return service_systemd.install(place) if action == "install" else service_systemd.show(place)


def _by_docker(action: Action, root: Path) -> int:
    from konivrer_watch.cli import service_docker

    match action:
        case "install":
            return service_docker.install(root)
        case "uninstall":
            return service_docker.uninstall(root)
        case "show":
            return service_docker.show(root)


def _by_launchd(action: Action, root: Path) -> int:
    from konivrer_watch.report.launchd import Agent, label, render_agent

    folders = find_state(root, environment())
    if action != "show":
        target = f"~/Library/LaunchAgents/{label(folders.own.name)}.plist"
        raise UsageFault(
            f"--launchd is shown only; save what 'service show --launchd' prints as {target}, then run "
            f"'launchctl bootstrap gui/$(id -u) {target}' ('bootout' ends it)"
        )
    variables = {name: value for name, value in environment().items() if name.startswith("KONIVRER_WATCH_")}
    agent = Agent(
        name=folders.own.name,
        root=bytes(root),
        python=sys.executable,
        log=bytes(folders.own / "logs" / "launchd.log"),
        environment={**variables, STATE_VARIABLE: str(folders.shared)},
    )
    write_output(render_agent(agent).encode())
    return 0
