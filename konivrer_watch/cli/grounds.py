"""What a root is judged by: the packs that ship with the program, and what outside the root has a say."""

import sys
from collections.abc import Mapping
from pathlib import Path

import konivrer_watch
from konivrer_watch.core.errors import StopError
from konivrer_watch.daemon.contexts import Packs, Place
from konivrer_watch.daemon.folders import StateFolders
from konivrer_watch.passes.lint.settings_file import user_level_files
from konivrer_watch.system.git import find_git, global_excludes


def find_place(root: Path, folders: StateFolders, environment: Mapping[str, str]) -> Place:
    """Return the root with what outside it has a say in its verdicts."""
    raw = bytes(root)
    inside = folders.shared.is_relative_to(root)
    never = frozenset([bytes(folders.shared.relative_to(root))] if inside else [])
    return Place(
        root=raw,
        git=find_git(raw),
        global_excludes=global_excludes(raw, environment),
        never=never,
        user_files=user_level_files(environment),
        environment=environment,
    )


def read_packs() -> Packs:
    """Read ``rules/``: inside the package where it was installed, beside it in a checkout."""
    package = Path(konivrer_watch.__file__).parent
    folder = next((place for place in (package / "_rules", package.parent / "rules") if place.is_dir()), None)
    if folder is None:
        raise StopError(
            f"the rules that ship with konivrer-watch are missing beside {package}; install it again with "
            f"'{sys.executable} -m pip install --force-reinstall konivrer-watch'"
        )
    lint = folder / "lint.toml"
    try:
        files = [*sorted((folder / "optimize").glob("*.toml")), *sorted((folder / "evidence").glob("*.json"))]
        optimize = {file.name: file.read_bytes() for file in files}
        return Packs(lint.read_bytes(), lint, (folder / "security.yaml").read_bytes(), optimize)
    except OSError as error:
        raise StopError(f"the rules in {folder} cannot be read: {error}") from error
