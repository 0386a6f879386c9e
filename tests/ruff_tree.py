"""Small trees for the real ruff, and what it says of them."""

import json
import os
import posixpath
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from konivrer_watch.passes.lint.config import LintConfigurations
from konivrer_watch.passes.lint.neighbourhood import Neighbourhoods
from konivrer_watch.passes.lint.reading import read_report
from konivrer_watch.passes.lint.settings_file import user_level_files
from konivrer_watch.passes.lint.words import import_words, may_silence
from konivrer_watch.system.ruff import LintJob, Ruff, find_ruff

PACK = Path(__file__).parent.parent / "rules" / "lint.toml"
RUFF = find_ruff(None)
Said = tuple[bytes, int, int, str]


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which no user-level configuration but the one under ``home`` is found."""
    return {"HOME": os.fspath(home), "XDG_CONFIG_HOME": os.fspath(home / ".config"), "PATH": "/usr/bin:/bin"}


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(path: bytes) -> bytes | None:
    file = Path(os.fsdecode(path))
    return file.read_bytes() if file.is_file() else None


def listing(path: bytes) -> frozenset[bytes]:
    try:
        with os.scandir(path) as entries:
            return frozenset([entry.name + b"/" if entry.is_dir() else entry.name for entry in entries])
    except OSError:
        return frozenset()


def configurations(root: Path, home: Path) -> LintConfigurations:
    user = user_level_files(environment(home))
    return LintConfigurations(
        os.fsencode(root), read, user, pack=PACK.read_bytes(), environment=environment(home)
    )


def keys(root: Path, home: Path, paths: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes, bool]]:
    """Return what the verdict on each file depends on beside its bytes and its path."""
    found = configurations(root, home)
    result: dict[bytes, tuple[bytes, bytes, bool]] = {}
    for path in paths:
        file = root / os.fsdecode(path)
        profile = found.of(posixpath.dirname(path))
        around = Neighbourhoods(listing).around(path, import_words(file.read_bytes(), path), profile)
        result[path] = (profile.digest, around, bool(file.stat().st_mode & 0o111))
    return result


def jobs(root: Path, home: Path, paths: Sequence[bytes]) -> list[LintJob]:
    found = configurations(root, home)
    return [
        LintJob(
            path,
            found.of(posixpath.dirname(path)),
            may_silence(read(posixpath.join(os.fsencode(root), path)) or b""),
        )
        for path in paths
    ]


def engine(home: Path, binary: Path = RUFF, deadline: float = 20.0) -> Ruff:
    return Ruff(binary, read_report, pack=PACK, environment=environment(home), deadline=deadline)


def run_ruff(root: Path, home: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = [os.fspath(RUFF), "check", "--no-cache", *arguments]
    return subprocess.run(command, cwd=root, env=environment(home), capture_output=True, check=False)


def ruff_says(root: Path, home: Path, *arguments: str) -> set[Said]:
    """Return what ``ruff check`` finds in the whole tree, or under the given arguments."""
    ended = run_ruff(root, home, "--output-format", "json", *arguments)
    assert ended.returncode in {0, 1}, ended.stderr
    prefix = os.fspath(root) + "/"
    return {
        (
            found["filename"].removeprefix(prefix).encode(),
            found["location"]["row"],
            found["location"]["column"],
            found["code"] or "invalid-syntax",
        )
        for found in json.loads(ended.stdout)
    }
