"""Compares ``check`` with ruff and bandit themselves on a whole tree: ``python -m tests.bench.parity PATH``.

The lint findings must be those of ``ruff check``, the security findings those of ``bandit``, over the same files and
with the same configuration, as sets of (path, line, column, code).
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Place = tuple[str, int, int, str]

BIN = Path(sys.executable).parent
RULES = Path(__file__).parents[2] / "rules"


def run(*command: str | Path, cwd: Path) -> bytes:
    """Return what a command prints; only exit codes that mean "findings" are no failure."""
    ended = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, check=False)
    if ended.returncode not in {0, 1, 3}:
        raise SystemExit(f"{command[0]} ended with {ended.returncode}: {ended.stderr.decode()[-2000:]}")
    return ended.stdout


def ours(root: Path) -> dict[str, set[Place]]:
    """Return our findings by pass."""
    report = json.loads(
        run(BIN / "konivrer-watch", "check", "--no-cache", "--format", "json", root, cwd=root)
    )
    found: dict[str, set[Place]] = {"lint": set(), "security": set(), "optimize": set()}
    for each in report["findings"]:
        found[each["pass"]].add((each["path"], each["line"], each["column"], each["code"]))
    print(f"check: {report['files']}, {report['timing_ms']}")
    return found


def ruffs(root: Path, options: list[str]) -> set[Place]:
    """Return ruff's findings on the tree."""
    output = run(BIN / "ruff", "check", "--output-format", "json", "--no-cache", *options, ".", cwd=root)
    return {
        (
            str(Path(each["filename"]).relative_to(root)),
            each["location"]["row"],
            each["location"]["column"],
            each["code"] or "invalid-syntax",
        )
        for each in json.loads(output)
    }


def bandits(root: Path, options: list[str]) -> set[Place]:
    """Return bandit's findings on the tree."""
    output = run(BIN / "bandit", "-q", "-f", "json", *options, "-r", ".", cwd=root)
    lines: dict[str, list[bytes]] = {}

    def column(each: dict[str, Any]) -> int:
        """Turn bandit's offset, from 0 and in bytes of UTF-8, into a column from 1 and in code points.

        Where the node begins on another line than the finding's, what stands before it there is taken for ASCII.
        """
        name, offset = each["filename"], int(each["col_offset"])
        if name not in lines:
            lines[name] = (root / name).read_bytes().split(b"\n")
        before = lines[name][max(each["line_number"] - 1, 0)][:offset]
        if before.isascii() or each["test_id"] == "B613":
            return offset + 1
        return len(before.decode(errors="replace")) + 1

    return {
        (str(Path(each["filename"])), each["line_number"], column(each), each["test_id"])
        for each in json.loads(output)["results"]
    }


def compare(name: str, here: set[Place], there: set[Place]) -> int:
    """Print the counts and the difference; return how large it is."""
    print(
        f"{name}: ours {len(here)}, theirs {len(there)}, only ours {len(here - there)}, missing {len(there - here)}"
    )
    for sign, some in (("+", here - there), ("-", there - here)):
        for each in sorted(some)[:10]:
            print(f"  {sign} {each}")
    return len(here ^ there)


def main() -> int:
    """Compare one tree; arguments behind ``--ruff`` and ``--bandit`` are given to those, else our packs are."""
    root = Path(sys.argv[1]).resolve()
    ruff = ["--config", str(RULES / "lint.toml")] if "--ruff-pack" in sys.argv else []
    ruff += [argument for argument in sys.argv if argument.startswith("--target-version")]
    bandit = ["-c", str(RULES / "security.yaml")] if "--bandit-pack" in sys.argv else []
    found = ours(root)
    different = compare("lint", found["lint"], ruffs(root, ruff))
    started = time.perf_counter()
    different += compare("security", found["security"], bandits(root, bandit))
    print(f"bandit alone took {time.perf_counter() - started:.1f} s")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
