"""Random kills of a busy background service: each time it is back, never twice, and nothing is left at the end.

``python -m tests.bench.kills [N] [SEED]``; by default 200 kills of the daemon, an engine (a worker, or a run of ruff)
or the supervisor; after the latter it is started again, as a person would. ``check_interval`` is 1 s.
Prints one line of JSON.
"""

import json
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path

import msgspec
import psutil

from konivrer_watch.report.status import StatusReport
from konivrer_watch.system.control_client import ControlFault, Status, ask
from tests.whole.background import WORKER, Background, background
from tests.whole.program import crowding

VICTIMS = ("daemon", "engine", "supervisor")
SECONDS_PROMISED = 2.0
FILES = 40
_GIVE_UP_SECONDS = 30.0
_SAMPLE_SECONDS = 0.01


class Kill(msgspec.Struct, frozen=True):
    """Seconds from a kill until the service answered, and until all that was saved before that was judged.

    ``crowded`` is how many times longer work took meanwhile than on a machine of its own.
    """

    victim: str
    answered: float
    judged: float
    crowded: float

    @property
    def is_late(self) -> bool:
        """Whether it took longer than promised, on a machine of its own."""
        return self.answered > SECONDS_PROMISED * self.crowded


class Census:
    """Counts the daemons of a root many times a second; ``most`` is how many there were at once."""

    def __init__(self, root: Path) -> None:
        self._root = bytes(root)
        self._others: set[str] = set()
        self.most = 0
        self.samples = 0

    def take(self) -> None:
        """Count once. A child that has not become its program yet still has its parent's command line."""
        if self.samples % 500 == 0:
            self._others.clear()
        found: dict[int, int] = {}
        for path in Path("/proc").iterdir():
            if path.name in self._others or not path.name.isdecimal():
                continue
            with suppress(OSError, ValueError, IndexError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                if self._root not in words:
                    self._others.add(path.name)
                elif b"_serve" in words:
                    state, parent = (path / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                    found.update({int(path.name): int(parent)} if state != b"Z" else {})
        self.most = max(self.most, len([pid for pid, parent in found.items() if parent not in found]))
        self.samples += 1


@contextmanager
def meanwhile(root: Path, census: Census, seed: int) -> Iterator[None]:
    """Save files and take the census for the length of the block."""
    over = threading.Event()
    chance = random.Random(seed)

    def save() -> None:
        while not over.wait(chance.uniform(0.02, 0.2)):
            file = root / f"m{chance.randrange(FILES)}.py"
            file.write_text(f"import os\nx = {chance.random()}\n" * chance.randrange(1, 60))

    def count() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            census.take()

    threads = [threading.Thread(target=each) for each in (save, count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


class Killer:
    """Kills parts of one running service and looks how it comes back."""

    def __init__(self, service: Background, seed: int) -> None:
        self._service = service
        self._socket = service.own / "control.sock"
        self._random = random.Random(seed)

    def kill(self, victim: str) -> Kill:
        """Kill once, at a moment of chance in a life whose backoff is reset; return how it came back."""
        before = self._wait_steady() if victim == "daemon" else self._wait_answer(None, sync=False)
        time.sleep(self._random.uniform(0, 0.3))
        target = self._find(victim, before)
        crowded = crowding()
        began = time.monotonic()
        with suppress(psutil.NoSuchProcess):
            target.send_signal(signal.SIGKILL)
        if victim == "supervisor":
            self._service.start()
        self._wait_answer(before if victim != "engine" else None, sync=False)
        answered = time.monotonic() - began
        self._wait_answer(before if victim != "engine" else None, sync=True)
        judged = time.monotonic() - began
        return Kill(victim, answered, judged, max(crowded, crowding()))

    def _find(self, victim: str, daemon: int) -> psutil.Process:
        if victim == "supervisor":
            return self._service.supervisor()
        if victim == "daemon":
            return psutil.Process(daemon)
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            engines = [*self._service.having(WORKER), *self._service.having("check")]
            if engines:
                return self._random.choice(engines)
            time.sleep(0.02)
        raise AssertionError("no engine is running")

    def _wait_steady(self) -> int:
        """Return the daemon's process once the next crash would be the first of its row."""
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while not self._service.record().steady:
            assert time.monotonic() < deadline, self._service.service_log()
            time.sleep(0.02)
        return self._wait_answer(None, sync=False)

    def _wait_answer(self, old: int | None, *, sync: bool) -> int:
        """Return which daemon answers, once one does that is not ``old``."""
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            with suppress(ControlFault):
                answer = ask([self._socket], Status(sync=sync, timeout=_GIVE_UP_SECONDS), _GIVE_UP_SECONDS)
                report = msgspec.json.decode(answer, type=StatusReport)
                if report.pid is not None and report.pid != old and report.synced is not False:
                    return report.pid
            assert time.monotonic() < deadline, self._service.service_log()
            time.sleep(0.01)


def run(victims: Sequence[str], seed: int, folder: Path) -> tuple[list[Kill], Census, list[int]]:
    """Kill these in turn; return how each came back, the census, and which processes were left at the end."""
    root = folder / "root"
    root.mkdir()
    for number in range(FILES):
        (root / f"m{number}.py").write_text("import os\n")
    census = Census(root)
    with background(root, folder, interval=1.0) as service:
        service.start()
        with meanwhile(root, census, seed):
            killer = Killer(service, seed)
            kills = [killer.kill(victim) for victim in victims]
        code, _, errors = service.call("stop")
        assert code == 0, errors
        return kills, census, [process.pid for process in service.processes()]


def summary(kills: Sequence[Kill]) -> Mapping[str, object]:
    """Medians, 95th percentiles and maxima in seconds for each kind of victim, and how many took too long."""
    told: dict[str, object] = {"kills": len(kills)}
    for victim in VICTIMS:
        some = [kill for kill in kills if kill.victim == victim]
        told[victim] = {
            "kills": len(some),
            "answered_s": _figures([kill.answered for kill in some]),
            "judged_s": _figures([kill.judged for kill in some]),
        }
    crowded = _figures([kill.crowded for kill in kills])
    return {**told, "crowded": crowded, "later_than_2_s": sum(kill.is_late for kill in kills)}


def _figures(seconds: Sequence[float]) -> Mapping[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {
        "median": round(statistics.median(ordered), 3),
        "p95": round(ordered[ceil(0.95 * len(ordered)) - 1], 3),
        "max": round(ordered[-1], 3),
    }


def main() -> int:
    """Run as many kills as asked for."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    victims = random.Random(seed).choices(VICTIMS, weights=(5, 3, 2), k=count)
    with tempfile.TemporaryDirectory() as folder:
        kills, census, left = run(victims, seed, Path(folder).resolve())
    told = {
        "bench": "kills",
        "seed": seed,
        **summary(kills),
        "daemons_at_once": census.most,
        "samples": census.samples,
        "left": len(left),
    }
    print(json.dumps(told))
    return int(bool(told["later_than_2_s"] or census.most != 1 or left))


if __name__ == "__main__":
    sys.exit(main())
