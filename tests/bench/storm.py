"""Random file operations beside a running watcher, whose findings must then be those of a cold check.

``python -m tests.bench.storm [OPERATIONS] [SEED…]``; by default 5,000 operations and the seeds 1, 2 and 3. Asked once
quiet, without a sweep on request, and again with ``--sync``.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).parent / "konivrer-watch")
QUIET_SECONDS = 90

SNIPPETS = (
    "import os\n",
    "import sys, re\n",
    "import subprocess\nsubprocess.call('ls', shell=True)\n",
    "def f(x):\n    return ','.join(str(y) for y in x)\n",
    "try:\n    pass\nexcept:\n    pass\n",
    "x = eval('1')\n",
    "assert True\n",
    "def g(:\n",
    "s = set(i for i in range(3))\n",
    "from alpha import beta\nimport gamma\nimport alpha.delta\n",
    "print('été' , list(z for z in 'añb'))\n",
    "password = 'hunter2'\n",
    "import os  # noqa\n",
    "x = 1\n",
    "",
)
NAMES = ("alpha", "beta", "gamma", "delta", "__init__", "test_one", "conf", "x y", "naïve")
IGNORES = ("beta.py\n", "/alpha/\n", "*.pyi\n!conf.py\n", "delta/\n", "", "test_*\n", "**/gamma.py\n")
RUFF = (
    "line-length = 80\n",
    "[lint]\nselect = ['F', 'B', 'E']\n",
    "[lint]\nignore = ['F401']\n",
    "exclude = ['beta.py']\n",
)


class Storm:
    """Performs operations below ``root``; equal seeds perform equal ones."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)

    def folders(self) -> list[Path]:
        """Return every folder that may take part."""
        return [
            self.root,
            *(path for path in self.root.rglob("*") if path.is_dir() and ".git" not in path.parts),
        ]

    def files(self) -> list[Path]:
        """Return every file that may take part."""
        return [path for path in self.root.rglob("*") if path.is_file() and ".git" not in path.parts]

    def content(self) -> str:
        """Return a random source."""
        return "".join(self.random.choices(SNIPPETS, k=self.random.randint(0, 4)))

    def step(self) -> None:
        """Perform one operation."""
        act = self.random.choices(
            (self.create, self.write, self.rename, self.move_folder, self.delete, self.remove_folder,
             self.make_folder, self.copy_folder, self.ignore, self.configure, self.chmod),
            weights=(24, 30, 10, 3, 10, 1, 5, 2, 2, 1, 2),
        )[0]  # fmt: skip
        try:
            act()
        except (OSError, IndexError):
            return

    def create(self) -> None:
        """Write a file that may be there."""
        ending = self.random.choice((".py", ".py", ".py", ".pyi", ".pyw", ".txt"))
        path = self.random.choice(self.folders()) / (self.random.choice(NAMES) + ending)
        path.write_text(self.content())

    def write(self) -> None:
        """Write an existing file, in place or by renaming over it."""
        path = self.random.choice(self.files())
        if self.random.random() < 0.5:
            path.write_text(self.content())
        else:
            temporary = path.with_name(path.name + ".tmp")
            temporary.write_text(self.content())
            temporary.replace(path)

    def rename(self) -> None:
        """Move a file."""
        path = self.random.choice(self.files())
        path.rename(self.random.choice(self.folders()) / (self.random.choice(NAMES) + path.suffix))

    def move_folder(self) -> None:
        """Move a folder."""
        path = self.random.choice(self.folders()[1:] or [self.root])
        path.rename(self.random.choice(self.folders()) / self.random.choice(NAMES))

    def delete(self) -> None:
        """Delete a file."""
        self.random.choice(self.files()).unlink()

    def remove_folder(self) -> None:
        """Delete a folder with all in it."""
        shutil.rmtree(self.random.choice(self.folders()[1:]))

    def make_folder(self) -> None:
        """Make a folder with a file in it at once."""
        path = self.random.choice(self.folders()) / self.random.choice(NAMES)
        if len(path.relative_to(self.root).parts) < 6:
            path.mkdir()
            (path / "beta.py").write_text(self.content())

    def copy_folder(self) -> None:
        """Copy a folder that is not too large."""
        source = self.random.choice(self.folders()[1:])
        target = self.random.choice(self.folders()) / self.random.choice(NAMES)
        if source in target.parents:
            return
        if len(list(source.rglob("*"))) < 30 and len(target.relative_to(self.root).parts) < 6:
            shutil.copytree(source, target)

    def ignore(self) -> None:
        """Write an ignore file."""
        (self.random.choice(self.folders()) / ".gitignore").write_text(self.random.choice(IGNORES))

    def configure(self) -> None:
        """Write or delete a configuration of ruff's."""
        path = self.random.choice(self.folders()) / "ruff.toml"
        if path.exists() and self.random.random() < 0.5:
            path.unlink()
        else:
            path.write_text(self.random.choice(RUFF))

    def chmod(self) -> None:
        """Toggle the executable bit."""
        path = self.random.choice(self.files())
        path.chmod(path.stat().st_mode ^ 0o111)


def ask(root: Path, state: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """Return what a command of the program prints as JSON."""
    ended = subprocess.run(
        [PROGRAM, *arguments, "--format", "json", str(root)],
        capture_output=True,
        check=False,
        timeout=300,
        env=state,
    )
    if not ended.stdout:
        raise SystemExit(f"{arguments}: {ended.stderr.decode()}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def places(findings: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """Return findings as a set."""
    return {
        (each["path"], each["line"], each["column"], each["pass"], each["code"], each["message"])
        for each in findings
    }


def wait_quiet(root: Path, state: Mapping[str, str], after: str) -> None:
    """Return once the watcher says that all it knows is as of later than ``after``."""
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        status = ask(root, state, "status")
        if (status["as_of"] or "") > after and status["queue"] == {"waiting": 0, "running": 0}:
            return
        time.sleep(0.2)
    raise SystemExit(f"not quiet within {QUIET_SECONDS} s")


def compare(name: str, there: set[tuple[Any, ...]], cold: set[tuple[Any, ...]]) -> int:
    """Print and count the difference."""
    print(
        f"  {name}: {len(there)} findings, cold check {len(cold)}, difference {len(there ^ cold)}", flush=True
    )
    for each in sorted(there ^ cold)[:10]:
        print("   ", "+" if each in there else "-", each)
    return len(there ^ cold)


def run(operations: int, seed: int, options: Sequence[str] = ()) -> int:
    """Return how many findings differ for one seed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "tree"
        root.mkdir()
        state = {**os.environ, "KONIVRER_WATCH_STATE_DIR": str(Path(folder) / "state")}
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        storm = Storm(root, seed)
        for _ in range(200):
            storm.create()
        with subprocess.Popen(
            [PROGRAM, str(root), "--threshold", "100", *options], stdout=subprocess.DEVNULL, env=state
        ) as watcher:
            try:
                wait_quiet(root, state, "")
                started = time.monotonic()
                for _ in range(operations):
                    storm.step()
                took = time.monotonic() - started
                print(
                    f"seed {seed}: {operations} operations in {took:.1f} s, {len(storm.files())} files",
                    flush=True,
                )
                wait_quiet(root, state, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1)))
                quiet = places(ask(root, state, "status", "--findings")["findings_list"])
                synced = ask(root, state, "status", "--findings", "--sync")
                if not synced["synced"]:
                    raise SystemExit("--sync gave up")
                cold = places(ask(root, state, "check", "--no-cache")["findings"])
            finally:
                watcher.terminate()
        return compare("quiet", quiet, cold) + compare("synced", places(synced["findings_list"]), cold)


def main() -> int:
    """Run every seed."""
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [5000]
    options = [argument for argument in sys.argv[1:] if not argument.isdigit()]
    different = sum([run(numbers[0], seed, options) for seed in numbers[1:] or [1, 2, 3]])
    print(f"difference in all: {different}")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
