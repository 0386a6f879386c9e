"""From a save to its findings, against the shell loop a developer would write.

``python -m tests.bench.save REPOSITORY [N]``. The peer is ``inotifywait`` followed by ``ruff check FILE`` and
``bandit FILE``. Both see the same saves of the same file of 196 lines, in turn. Then the watcher's idle cost.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
LINES = 196
IDLE_SECONDS = 60
# For half a minute after a save the watcher looks more often.
SETTLING_SECONDS = 35


class Watcher:
    """The program, watching; ``wait_for`` returns when it has told of a file."""

    def __init__(self, root: Path) -> None:
        command = [str(BIN / "konivrer-watch"), str(root), "--format", "json", "--threshold", "100"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.seen: dict[str, tuple[float, dict[str, Any]]] = {}
        self.watching = threading.Event()
        self.arrived = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            now = time.perf_counter()
            event = json.loads(line)
            if event["event"] == "state" and event["state"] == "watching":
                self.watching.set()
            if event["event"] == "verdict":
                with self.arrived:
                    self.seen[event["path"]] = (now, event)
                    self.arrived.notify_all()

    def wait_for(self, path: str, after: float, finding: str) -> float:
        """Return when a verdict on ``path`` came that holds ``finding``, which every pass must have seen."""
        with self.arrived:
            self.arrived.wait_for(lambda: self._has(path, after, finding), timeout=30)
            if not self._has(path, after, finding):
                raise SystemExit(f"no verdict on {path} within 30 s")
            return self.seen[path][0]

    def _has(self, path: str, after: float, finding: str) -> bool:
        at, event = self.seen.get(path, (0.0, {}))
        return at > after and any(finding in each["message"] for each in event["findings"])


def content(number: int) -> str:
    """Return a module of 196 lines that differs for each number, with a finding for each pass."""
    head = f"import subprocess\nimport module_{number}\n\n\nsubprocess.call('ls {number}', shell=True)\n"
    body = [f"VALUE_{line} = [{line}, {number}]" for line in range(LINES - 6)]
    return head + "\n".join(body) + f"\nTEXT = ','.join(str(x) for x in range({number}))\n"


def peer(path: Path, text: str) -> float:
    """Return the seconds from a save to the end of the shell loop's round."""
    script = (
        f"inotifywait -qq -e close_write '{path}' && {BIN}/ruff check -q '{path}'; {BIN}/bandit -q '{path}'"
    )
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as loop:
        time.sleep(0.3)
        started = time.perf_counter()
        path.write_text(text)
        loop.wait(30)
        return time.perf_counter() - started


def ours(watcher: Watcher, root: Path, path: Path, number: int) -> float:
    """Return the seconds from a save to the verdict line."""
    started = time.perf_counter()
    path.write_text(content(number))
    return watcher.wait_for(str(path.relative_to(root)), started, f"module_{number}") - started


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads and children, those that have ended included."""
    total = 0
    children = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    for each in (str(pid), *children):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def summary(name: str, seconds: list[float]) -> str:
    """Return median and 95th percentile in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{name}: median {1000 * statistics.median(ordered):.0f} ms, p95 {1000 * p95:.0f} ms, n={len(ordered)}"


def main() -> None:
    """Measure on a copy of a repository."""
    source, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / source.name
        shutil.copytree(source, root, symlinks=True)
        os.environ["KONIVRER_WATCH_STATE_DIR"] = str(Path(folder) / "state")
        ours_path, peers_path = root / "saved_here.py", root.parent / "saved_there.py"
        peers_path.write_text("")
        watcher = Watcher(root)
        try:
            if not watcher.watching.wait(600):
                raise SystemExit("the first check did not end within 10 minutes")
            count = sum(1 for _ in root.rglob("*.py"))
            ours_path.write_text(content(0))
            time.sleep(3)
            mine: list[float] = []
            theirs: list[float] = []
            for number in range(1, rounds + 1):
                mine.append(ours(watcher, root, ours_path, number))
                theirs.append(peer(peers_path, content(number)))
            print(f"save of a file of {LINES} lines in a repository of {count} Python files, in turn:")
            print(" ", summary("konivrer-watch, three passes", mine))
            print(" ", summary("inotifywait + ruff + bandit ", theirs))
            ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
            print(f"  ratio: median {statistics.median(ratios):.2f}")
            time.sleep(SETTLING_SECONDS)
            before, started = cpu_seconds(watcher.process.pid), time.monotonic()
            time.sleep(IDLE_SECONDS)
            used = (cpu_seconds(watcher.process.pid) - before) / (time.monotonic() - started)
            print(f"  idle: {100 * used:.3f} % of a core over {IDLE_SECONDS} s")
        finally:
            watcher.process.terminate()
            watcher.process.wait(10)


if __name__ == "__main__":
    main()
