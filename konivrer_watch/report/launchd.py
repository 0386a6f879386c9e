"""The property list with which macOS's launchd runs a root's service: pure text. Keys: launchd.plist(5)."""

import plistlib
from collections.abc import Mapping

import msgspec

from konivrer_watch.report.unit import as_text


class Agent(msgspec.Struct, frozen=True):
    """What a root's launchd agent needs.

    ``name`` is that of the root's state folder, ``log`` the file for what is said before there are logs,
    ``environment`` what is set for the service.
    """

    name: str
    root: bytes
    python: str
    log: bytes
    environment: Mapping[str, str]


def label(name: str) -> str:
    """Return the agent's label, which is also its file's name without the suffix."""
    return f"konivrer-watch.{name}"


def render_agent(agent: Agent) -> str:
    """Return the property list. Raises ``UsageFault`` where a path cannot be written in one."""
    command = (agent.python, "-I", "-m", "konivrer_watch.cli", "_supervise")
    log = as_text("the state folder", agent.log)
    document = {
        "Label": label(agent.name),
        # launchd has no watchdog: our own supervisor, kept alive by it, sees a daemon that hangs.
        "ProgramArguments": [*command, as_text("the folder to watch", agent.root)],
        "EnvironmentVariables": dict(agent.environment),
        "WorkingDirectory": "/",
        "Umask": 0o077,
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "ExitTimeOut": 20,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(document, sort_keys=False).decode()
