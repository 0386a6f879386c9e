"""``service install|uninstall|show --docker``: the containers of one root, made from the checkout's compose.yaml."""

import functools
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
import click
import msgspec

import konivrer_watch
from konivrer_watch import __version__
from konivrer_watch.cli.configuration import NOT_SETTINGS, PREFIX
from konivrer_watch.cli.occupant import find_occupant
from konivrer_watch.cli.options import environment, resolve_settings, write_output
from konivrer_watch.cli.places import find_sockets, find_state
from konivrer_watch.cli.remedies import ending_command
from konivrer_watch.core.errors import LeaseHeldError, UsageFault
from konivrer_watch.core.model import Launcher
from konivrer_watch.core.settings import Settings
from konivrer_watch.passes.lint.settings_file import user_level_files
from konivrer_watch.report.commands import shell_word
from konivrer_watch.report.compose import Mount, Stack, override, path_fault, project_name, variables
from konivrer_watch.report.text import escape
from konivrer_watch.system.control_client import ControlFault, Status, ask
from konivrer_watch.system.docker import Docker
from konivrer_watch.system.files import make_private
from konivrer_watch.system.git import find_git, global_excludes
from konivrer_watch.system.pull import pull

_ANSWER_SECONDS = 5.0
_START_SECONDS = 90.0
_PAUSE_SECONDS = 0.5
_RUFF_FILES = ("ruff.toml", ".ruff.toml", "pyproject.toml")


class _Answer(msgspec.Struct, frozen=True):
    """The part of a status that matters here."""

    state: str
    healthy: bool
    launcher: str | None = None
    reason: str | None = None


def install(root: Path) -> int:
    """Build the image, start the containers, and wait until the service answers. May be repeated at any time."""
    checkout = _checkout()
    _refuse_root()
    settings = resolve_settings(root, {}).settings
    stack = _stack(root)
    docker = Docker({**environment(), **variables(stack, settings, os.cpu_count() or 1)})
    docker.require_daemon()
    is_running = _is_running(root)
    for folder in (find_state(root, environment()).own, Path(stack.state)):
        make_private(folder)
    if settings.pull and not is_running:
        _pull(root)
    click.echo(f"building {stack.image}; the first time takes some minutes …", err=True)
    docker.build(checkout, stack.image)
    click.echo(f"starting {stack.service} and its monitor …", err=True)
    docker.compose(
        stack.project, checkout / "compose.yaml", override(stack), ("up", "--detach", "--no-build")
    )
    return _wait(root, docker, stack)


def _pull(root: Path) -> None:
    """Pull as the caller, who has keys and a network: the containers have neither."""
    folder = find_state(root, environment()).own / "pull"
    result = anyio.run(functools.partial(pull, bytes(root), folder, environment()))
    click.echo(f"pull: {result.result}: {escape(result.reason)}", err=True)


def uninstall(root: Path) -> int:
    """Stop and remove the containers, and the image where no other root uses it. State and logs stay."""
    checkout = _checkout()
    stack = _stack(root)
    docker = Docker({**environment(), **variables(stack, Settings(), 1)})
    docker.require_daemon()
    arguments = ("down", "--volumes", "--remove-orphans")
    docker.compose(stack.project, checkout / "compose.yaml", override(stack), arguments)
    image = " and its image" if docker.remove_image(stack.image) else ""
    (find_state(root, environment()).own / "leash").unlink(missing_ok=True)
    click.echo(
        f"removed {stack.service}, its monitor{image}; logs and verdicts stay in {escape(stack.state)}"
    )
    return 0


def show(root: Path) -> int:
    """Print the compose configuration as it would be used; nothing is touched."""
    stack = _stack(root)
    settings = resolve_settings(root, {}).settings
    docker = Docker({**environment(), **variables(stack, settings, os.cpu_count() or 1)})
    shown = docker.compose(stack.project, _checkout() / "compose.yaml", override(stack), ("config",))
    write_output(shown.encode())
    return 0


def _checkout() -> Path:
    folder = Path(konivrer_watch.__file__).parents[1]
    if not all((folder / name).is_file() for name in ("Dockerfile", "compose.yaml")):
        raise UsageFault(
            "the Dockerfile and compose.yaml are in the checkout, and this is an installed package; clone the "
            "repository of konivrer-watch and run its scripts/start-docker.sh"
        )
    return folder


def _refuse_root() -> None:
    if os.geteuid() == 0:
        raise UsageFault("run this as yourself and not as root: the containers run as whoever starts them")


def _stack(root: Path) -> Stack:
    """Return the containers of a root. Raises ``UsageFault`` where a path cannot be mounted."""
    variables_ = environment()
    folders = find_state(root, variables_)
    git = find_git(bytes(root))
    tree = root if git is None else Path(os.fsdecode(git.top))
    outside = [] if git is None else [Path(os.fsdecode(folder)) for folder in (git.git_dir, git.common_dir)]
    mounts = [Mount(str(folder), read_only=False) for folder in outside if not folder.is_relative_to(tree)]
    mounts += [Mount(str(place)) for place in _configurations(root, tree, variables_)]
    home = variables_.get("HOME") or "/"
    for path in (str(tree), str(folders.shared), *[mount.path for mount in mounts]):
        fault = path_fault(path)
        if fault is not None:
            raise UsageFault(f"{escape(path)}: {fault}")
    return Stack(
        project=project_name(folders.own.name),
        image=f"konivrer-watch:{__version__}",
        root=str(root),
        tree=str(tree),
        state=str(folders.shared),
        home=home,
        uid=os.geteuid(),
        gid=os.getegid(),
        mounts=list({mount.path: mount for mount in mounts}.values()),
        environment=_handed_on(variables_),
    )


def _handed_on(variables_: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in the environment, and where the user's configuration lies; we pull, and not they."""
    handed = {
        name: value
        for name, value in variables_.items()
        if (name.startswith(PREFIX) and name not in NOT_SETTINGS) or name == "XDG_CONFIG_HOME"
    }
    for name, value in handed.items():
        if not value.isprintable():
            raise UsageFault(f"{name}: has characters that a compose file cannot hold")
    return {**handed, f"{PREFIX}PULL": "false"}


def _configurations(root: Path, tree: Path, variables_: Mapping[str, str]) -> Iterator[Path]:
    """Return what lies outside of the tree and has a say in its verdicts: the user's own, and ruff's further up."""
    folders = {Path(os.fsdecode(file)).parent for file in user_level_files(variables_)}
    folders |= {folder.parent / "git" for folder in folders}
    yield from sorted(folder for folder in folders if folder.is_dir())
    excludes = global_excludes(bytes(root), variables_)
    files = [Path(variables_["HOME"]) / ".gitconfig"] if variables_.get("HOME") else []
    if excludes is not None and Path(os.fsdecode(excludes)).parent not in folders:
        files.append(Path(os.fsdecode(excludes)))
    files += [folder / name for folder in tree.parents for name in _RUFF_FILES]
    yield from (file for file in files if file.is_file() and not file.is_relative_to(tree))


def _is_running(root: Path) -> bool:
    """Return whether our containers watch this root. Raises ``LeaseHeldError`` where something else does."""
    occupant = find_occupant(find_state(root, environment()))
    if occupant is not None and occupant.launcher is not Launcher.DOCKER:
        raise LeaseHeldError(
            f"{escape(str(root))} is watched already, by {occupant.holder}; stop that one first: "
            + ending_command(root, find_state(root, environment()), environment())
        )
    return occupant is not None


def _wait(root: Path, docker: Docker, stack: Stack) -> int:
    sockets = find_sockets(find_state(root, environment()), environment())
    deadline = time.monotonic() + _START_SECONDS
    answer: _Answer | None = None
    while time.monotonic() < deadline:
        try:
            answer = msgspec.json.decode(ask(sockets, Status(), _ANSWER_SECONDS), type=_Answer)
        except (ControlFault, msgspec.DecodeError):
            answer = None
        if answer is not None and answer.launcher == Launcher.DOCKER and answer.healthy:
            break
        time.sleep(_PAUSE_SECONDS)
    shown = shell_word(bytes(root))
    if answer is None:
        state = docker.state(stack.service) or "gone"
        click.echo(f"{stack.service} is {state} and does not answer; its last words:", err=True)
        for line in docker.last_words(stack.service).splitlines():
            click.echo(f"  {escape(line)}", err=True)
        return 1
    health = "healthy" if answer.healthy else f"NOT HEALTHY: {escape(answer.reason or 'no reason given')}"
    click.echo(
        f"{escape(stack.root)}: watched in Docker, {answer.state}, {health}\n"
        f"  status   konivrer-watch status {shown}\n"
        f"  logs     docker logs -f {stack.service}\n"
        f"  stop     konivrer-watch service uninstall --docker {shown}"
    )
    return 0 if answer.healthy else 1
