"""The systemd unit that runs a root's service: pure text. Sources: systemd.syntax(7), systemd.unit(5), systemd.exec(5).

The sandbox leaves what the watch needs: reading everywhere (configuration lies above a root and in the home, the load's
cause in other processes' ``/proc``), writing in the state folder and in ``.git``, where the watch probe is touched.
Where a start pulls, git writes the root, and ssh or https reach the remote.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.escape import escape

# Seconds for the daemon to end its engines, before all that is left is killed.
_STOP_SECONDS = 20
# ruff starts a thread for each core, engine workers a few each: enough for a large machine, and an end to a leak.
_MOST_TASKS = 1024

_LINGERS = "Lingers=yes"
_VARIABLE = re.compile(r'Environment="(.*)"')
_UNFIT = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")

# Kept by filters on system calls alone, which every process may set for itself.
_FILTERS = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM"""
# Git gives its folders the group's bit where a group shares the repository (git-config(1), core.sharedRepository).
_NO_GROUP_BIT = "RestrictSUIDSGID=yes"
# In a user's sandbox root's files are nobody's, and ssh ends at the first such file that its configuration includes
# (readconf.c, SSHCONF_CHECKPERM). A folder that it cannot list it passes over.
_SSH_PARTS = "-/etc/ssh/ssh_config.d"
# Kept by namespaces.
_WALLS = """\
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes"""


class Service(msgspec.Struct, frozen=True):
    """What a root's service needs to be run. All paths are absolute and free of symbolic links, but ``python``'s.

    ``name`` is that of the root's state folder, ``state`` the folder of all roots' state, ``user`` the one a system
    unit runs as (``None``: a user's own unit), ``environment`` what is set for the daemon, ``prepare`` the command
    that makes the state folder outside the sandbox. ``elsewhere`` are other places that have to stay visible, such as
    the virtual environment. ``pulls`` is whether a start pulls, and ``git`` where git then writes beside the root.
    Sizes are bytes, ``cpu_quota`` percent of one core, ``check_interval`` seconds. ``walled`` is false where the
    machine denies users the namespaces that a user's unit needs; ``lingers`` marks that the install let the user's
    manager run without a login.
    """

    name: str
    root: bytes
    state: bytes
    python: str
    user: str | None
    environment: Mapping[str, str]
    prepare: Sequence[str]
    elsewhere: Sequence[bytes]
    check_interval: float
    cpu_quota: int
    memory_max: int
    pulls: bool
    git: Sequence[bytes] = ()
    walled: bool = True
    lingers: bool = False


class Installed(msgspec.Struct, frozen=True):
    """What a unit file says of its service: ``user`` and ``environment`` as in ``Service``."""

    user: str | None
    environment: Mapping[str, str]
    lingers: bool


def unit_name(name: str) -> str:
    """Return the name of a root's unit: that of its state folder, whose end is unique, in characters a unit has."""
    allowed = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in name)
    return f"konivrer-watch-{allowed}.service"


def render_unit(service: Service) -> str:
    """Return the unit file. Raises ``UsageFault`` where a path or a variable cannot be written in one."""
    root = as_text("the folder to watch", service.root)
    command = (service.python, "-I", "-m", "konivrer_watch.cli", "_serve", "--launcher", "systemd", root)
    sections = {
        "Unit": [
            f"Description=konivrer-watch of {_literal(root)}",
            # Its own backoff slows a crash loop down; systemd's would end it for good.
            "StartLimitIntervalSec=0",
            *(["After=local-fs.target remote-fs.target"] if service.user else []),
        ],
        "Service": [
            "Type=notify",
            "NotifyAccess=main",
            # With "+" outside the sandbox, in which a state folder that was removed could not be made again.
            f"ExecStartPre=+:{_words(service.prepare)}",
            f"ExecStart=:{_words(command)}",
            *(
                f"Environment={_quoted(f'{key}={value}')}"
                for key, value in sorted(service.environment.items())
            ),
            "WorkingDirectory=/",
            *([f"User={_literal(service.user)}"] if service.user else []),
            "UMask=0077",
            *_keeping_alive(service),
            *_limits(service),
            *_sandbox(service, root),
        ],
        "Install": [f"WantedBy={'multi-user.target' if service.user else 'default.target'}"],
    }
    if service.lingers:
        # systemd reads no section whose name begins so; ``uninstall`` does.
        sections["X-Konivrer-Watch"] = [_LINGERS]
    blocks = ["\n".join([f"[{title}]", *lines, ""]) for title, lines in sections.items()]
    return "\n".join(blocks)


def read_unit(text: str) -> Installed:
    """Read a unit file that ``render_unit`` wrote; lines of others have no meaning here."""
    lines = text.split("\n")
    users = [_plain(line.removeprefix("User=")) for line in lines if line.startswith("User=")]
    words = [match[1] for match in map(_VARIABLE.fullmatch, lines) if match]
    pairs = [re.sub(r"\\(.)", r"\1", _plain(word)).partition("=") for word in words]
    variables = {name: value for name, _, value in pairs}
    return Installed(users[-1] if users else None, variables, _LINGERS in lines)


def as_text(what: str, path: bytes) -> str:
    """Return a path as a unit can hold it. Raises ``UsageFault`` saying why one cannot."""
    text = path.decode(errors="surrogateescape")
    _check(what, text)
    return text


def _check(what: str, text: str) -> None:
    if _UNFIT.search(text):
        raise UsageFault(
            f"{what}: {escape(text)}: a unit holds UTF-8 text without line ends and other control characters; rename it"
        )


def _keeping_alive(service: Service) -> list[str]:
    return [
        "Restart=always",
        # The daemon's own backoff comes on top.
        "RestartSec=500ms",
        f"WatchdogSec={service.check_interval:g}",
        # A core of the hung process would lay the sources it holds on the disk.
        "WatchdogSignal=SIGKILL",
        "TimeoutStartSec=90",
        f"TimeoutStopSec={_STOP_SECONDS}",
        # The daemon ends its engines; if all heard the signal, their ends would look like crashes to it.
        "KillMode=mixed",
    ]


def _limits(service: Service) -> list[str]:
    return [
        f"CPUQuota={service.cpu_quota}%",
        "CPUWeight=idle",
        "IOSchedulingClass=idle",
        f"MemoryMax={service.memory_max}",
        # An engine that is killed costs one batch its answer; the daemon tells it and goes on.
        "OOMPolicy=continue",
        f"TasksMax={_MOST_TASKS}",
    ]


def _sandbox(service: Service, root: str) -> list[str]:
    families = "AF_UNIX AF_INET AF_INET6" if service.pulls else "AF_UNIX"
    lines = [*_FILTERS.splitlines(), f"RestrictAddressFamilies={families}"]
    if not service.pulls:
        lines.append(_NO_GROUP_BIT)
    if service.user:
        lines.append("RemoveIPC=yes")
    else:
        # Preserved: the sockets of other roots lie there, too.
        lines += [
            "RuntimeDirectory=konivrer-watch",
            "RuntimeDirectoryMode=0700",
            "RuntimeDirectoryPreserve=yes",
        ]
    if not service.walled:
        return lines
    state = as_text("the state folder", service.state)
    git = [as_text("the repository", place) for place in service.git]
    written = [root, *git] if service.pulls else [root.rstrip("/") + "/.git"]
    # What is gone must not keep the service from starting, and telling; nor what is still to be made: these paths hold
    # for ExecStartPre, too, which makes the state folder.
    open_places = [f"-{place}" for place in (state, *written)]
    lines += [*_WALLS.splitlines(), f"ReadWritePaths={_words(open_places)}"]
    seen = (
        *(service.root, service.state, service.python.encode(errors="surrogateescape")),
        *(*service.git, *service.elsewhere),
    )
    if not any(map(_is_temporary, seen)):
        # A temporary folder of its own would hide what lies in the real one.
        lines.append("PrivateTmp=yes")
    # A user's manager walls nothing off without PrivateUsers (systemd 252), and fails at ProtectKernelLogs in a
    # container; the user could not read those anyway.
    lines.append("ProtectKernelLogs=yes" if service.user else "PrivateUsers=yes")
    if service.pulls and not service.user:
        lines.append(f"InaccessiblePaths={_SSH_PARTS}")
    return lines


def _is_temporary(path: bytes) -> bool:
    return path.startswith((b"/tmp/", b"/var/tmp/"))


def _words(command: Sequence[str]) -> str:
    """Return words in a row. In a command, a leading ":" keeps ``$`` from having a meaning."""
    return " ".join(_quoted(word) for word in command)


def _quoted(text: str) -> str:
    """Return one word, whatever characters it has."""
    _check("the unit", text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_literal(escaped)}"'


def _literal(text: str) -> str:
    """Keep ``%`` from naming a specifier."""
    return text.replace("%", "%%")


def _plain(text: str) -> str:
    return text.replace("%%", "%")
