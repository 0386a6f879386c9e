"""A foreground build beside a running full scan, against the same build alone.

``python -m tests.bench.neighbour WATCHED BUILT [PAIRS] [SECONDS]``. The build is ``python -m compileall -j 2`` over a
copy of BUILT, as often as it takes to last SECONDS. Each round builds three times, in random order: alone, alone once
more (the A/A control) and beside a watcher that has just begun its first scan of a copy of WATCHED with nothing
remembered. Told are the medians of the rounds' ratios with their bootstrap 90 % intervals, and how far the scan got.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("konivrer-watch"))
PAIRS = 20
SECONDS = 20.0
RESAMPLES = 10_000
# The scan is under way, and its engines are warm, when the build begins.
HEAD_START_SECONDS = 1.0
ARMS = ("alone", "alone again", "beside a scan")


def build(folder: Path, times: int) -> float:
    """Return the seconds that compiling a folder so many times takes, with a process for each of two cores."""
    command = [sys.executable, "-m", "compileall", "-q", "-f", "-j", "2", str(folder)]
    started = time.perf_counter()
    for _ in range(times):
        # Some of what projects hold is not for this Python, which compileall says with exit code 1.
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


@contextmanager
def scan(watched: Path, state: Path, log: list[int]) -> Iterator[None]:
    """Run a watcher's first scan for the length of the block; ``log`` gets the count of files it judged."""
    shutil.rmtree(state, ignore_errors=True)
    command = [PROGRAM, str(watched), "--format", "json"]
    environment = {**os.environ, "KONIVRER_WATCH_STATE_DIR": str(state)}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment
    ) as watcher:
        try:
            time.sleep(HEAD_START_SECONDS)
            yield
            status = subprocess.run(
                [PROGRAM, "status", str(watched), "--format", "json"],
                capture_output=True,
                env=environment,
                check=False,
            )
            log.append(json.loads(status.stdout)["queue"]["waiting"])
        finally:
            watcher.terminate()


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """Return the median with its bootstrap 90 % interval."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return statistics.median(ratios), medians[RESAMPLES // 20], medians[-RESAMPLES // 20]


def main() -> None:
    """Measure on copies."""
    watched, built = Path(sys.argv[1]), Path(sys.argv[2])
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else PAIRS
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else SECONDS
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder).resolve()
        shutil.copytree(watched, base / "watched", symlinks=True)
        shutil.copytree(built, base / "built", symlinks=True)
        once = build(base / "built", 1)
        times = max(1, -int(-seconds // once))
        print(
            f"one build takes {once:.1f} s; each of {pairs} rounds builds {times} times in each of 3 arms",
            flush=True,
        )
        took: dict[str, list[float]] = {arm: [] for arm in ARMS}
        waiting: list[int] = []
        for number in range(1, pairs + 1):
            for arm in chance.sample(ARMS, k=len(ARMS)):
                if arm == ARMS[2]:
                    with scan(base / "watched", base / "state", waiting):
                        took[arm].append(build(base / "built", times))
                else:
                    took[arm].append(build(base / "built", times))
            told = ", ".join(f"{arm} {took[arm][-1]:.2f} s" for arm in ARMS)
            print(f"  {number}: {told}; {waiting[-1]} files still wait", flush=True)
        for arm in ARMS[1:]:
            ratios = [one / other for one, other in zip(took[arm], took[ARMS[0]], strict=True)]
            median, low, high = interval(ratios)
            print(
                f"{arm} / alone: median {median:.3f}, 90 % interval {low:.3f} to {high:.3f}, n={len(ratios)}"
            )


if __name__ == "__main__":
    main()
