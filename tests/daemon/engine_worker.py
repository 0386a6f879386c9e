"""A real engine worker under test, and the parent's half of what it says."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from konivrer_watch.core.model import Pass
from konivrer_watch.daemon.frames import WorkerAnswer, WorkerJob, WorkerSetup, decode_answer, encode
from konivrer_watch.passes.optimize.engine import OptimizeSettings
from konivrer_watch.passes.security.profile import load_profile

COMMAND = (sys.executable, "-I", "-m", "konivrer_watch.daemon.worker")
RULES = Path(__file__).parents[2] / "rules"
PASSES = (Pass.OPTIMIZE, Pass.SECURITY)
MEGABYTE = 1 << 20


class Worker:
    """One worker process."""

    def __init__(self, cwd: Path | str = "/", env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, env=env, start_new_session=True
        )

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        assert self.process.stdin is not None
        self.process.stdin.write(len(frame).to_bytes(4, "big") + frame)
        self.process.stdin.flush()

    def setup(self, memory: int = 512 * MEGABYTE) -> None:
        """Send the packs of this project."""
        rules = {path.name: path.read_bytes() for path in (RULES / "optimize").glob("*.toml")}
        profile = load_profile({}, (RULES / "security.yaml").read_bytes())
        self.send(encode(WorkerSetup(rules, OptimizeSettings(), profile, memory)))

    def judge(self, data: bytes, passes: Sequence[Pass] = PASSES, path: bytes = b"a.py") -> WorkerAnswer:
        """Return the answer to one job."""
        self.send(encode(WorkerJob(path, data, tuple(passes))))
        assert self.process.stdout is not None
        length = int.from_bytes(self.process.stdout.read(4), "big")
        return decode_answer(self.process.stdout.read(length))

    def end(self) -> int:
        """Close its standard input and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(5)
