"""Runs ``docker`` and ``docker compose``. Nobody else does."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from konivrer_watch.core.errors import StopError
from konivrer_watch.system.programs import find_program

_ASK_SECONDS = 30.0
_UP_SECONDS = 300.0
_BUILD_SECONDS = 3600.0
_LINES_SHOWN = 20


class DockerFault(StopError):
    """Docker is missing, not for us, or says no; the message says which, and what to do."""

    exit_code = 2


class Docker:
    """The ``docker`` program, with ``environment`` as the environment of all that is run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        path = environment.get("PATH", os.defpath)
        program = find_program("docker", path)
        if program is None:
            raise DockerFault("docker is not installed; see https://docs.docker.com/engine/install/")
        self._program = program
        self._compose = self._find_compose(find_program("docker-compose", path))

    def require_daemon(self) -> None:
        """Raise ``DockerFault`` where the daemon does not answer us, or is one that cannot keep the files' owner."""
        answer = self._run((self._program, "version", "--format", "{{.Server.Version}}"), _ASK_SECONDS)
        if answer.returncode:
            said = answer.stderr.strip().rpartition("\n")[2]
            if "permission denied" in said.lower():
                raise DockerFault(
                    "you may not talk to the Docker daemon; join its group with "
                    f"'sudo usermod -aG docker \"$USER\"' and log in again ({said})"
                )
            raise DockerFault(f"the Docker daemon does not answer; start it ({said})")
        options = self._run((self._program, "info", "--format", "{{.SecurityOptions}}"), _ASK_SECONDS)
        if "name=rootless" in options.stdout or "name=userns" in options.stdout:
            raise DockerFault(
                "this Docker gives containers other users than the machine's (rootless or userns-remap), so they "
                "could not write your files; use 'konivrer-watch service install --systemd' or 'start'"
            )

    def build(self, folder: Path, image: str) -> None:
        """Build ``folder``'s Dockerfile as ``image``; what was built before is not built again."""
        self._must((self._program, "build", "--tag", image, str(folder)), _BUILD_SECONDS)

    def remove_image(self, image: str) -> bool:
        """Remove an image; return whether it went, as it does not while another root's containers use it."""
        return self._run((self._program, "image", "rm", image), _ASK_SECONDS).returncode == 0

    def compose(self, project: str, file: Path, override: bytes, arguments: Sequence[str]) -> str:
        """Run compose on ``file`` with ``override`` on top of it; return what it writes to standard output."""
        with TemporaryDirectory(prefix="konivrer-watch-") as folder:
            extra = Path(folder) / "override.json"
            extra.write_bytes(override)
            files = ("--file", str(file), "--file", str(extra))
            return self._must(
                (*self._compose, "--project-name", project, *files, *arguments), _UP_SECONDS
            ).stdout

    def state(self, container: str) -> str | None:
        """Return a container's state in Docker's word (``running``, ``restarting`` …); ``None`` where there is none."""
        answer = self._run(
            (self._program, "container", "inspect", "--format", "{{.State.Status}}", container), _ASK_SECONDS
        )
        return answer.stdout.strip() if answer.returncode == 0 else None

    def last_words(self, container: str) -> str:
        """Return the end of what a container wrote."""
        answer = self._run((self._program, "logs", "--tail", str(_LINES_SHOWN), container), _ASK_SECONDS)
        return (answer.stdout + answer.stderr).strip()

    def _find_compose(self, standalone: str | None) -> tuple[str, ...]:
        if self._run((self._program, "compose", "version"), _ASK_SECONDS).returncode == 0:
            return (self._program, "compose")
        if standalone is None:
            raise DockerFault(
                "docker has no 'compose' command, and there is no docker-compose; install the package "
                "docker-compose-plugin, docker-compose-v2 or docker-compose"
            )
        return (standalone,)

    def _must(self, command: Sequence[str], deadline: float) -> subprocess.CompletedProcess[str]:
        answer = self._run(command, deadline)
        if answer.returncode:
            said = "\n".join((answer.stdout + answer.stderr).strip().split("\n")[-_LINES_SHOWN:])
            raise DockerFault(f"'{Path(command[0]).name} {command[1]} …' failed:\n{said}")
        return answer

    def _run(self, command: Sequence[str], deadline: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=deadline,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DockerFault(f"'{' '.join(command[:3])}' did not end within {deadline:g} s") from None
        except OSError as error:
            raise DockerFault(f"{command[0]} cannot be run: {error.strerror}") from error
