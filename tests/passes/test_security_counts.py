import json
from collections.abc import Callable

import pytest
from bandit.core.config import BanditConfig
from bandit.core.manager import BanditManager
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.passes.security.profile import DEFAULT_EXCLUDE, load_profile, usual_folder
from tests.passes.security_sources import PACK

names = st.sampled_from(
    ["a", "tests", ".git", ".github", "CVS", "x.egg", ".tox", "a.py", "b.pyw", "c.txt", "\udcff.py"]
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
globs = st.one_of(
    paths, st.sampled_from(["*.py", "*.egg", "*/tests/*", "./a/*", "tests", "/", "", "[a", "?.py", "./", "*"])
)


@given(
    paths,
    st.lists(globs.filter(lambda glob: "\udcff" not in glob), max_size=3),
    st.lists(st.sampled_from(["*.py", "*.pyw", "./a/*", "*t"]), max_size=2),
    st.lists(globs.filter(lambda glob: "," not in glob and "\udcff" not in glob), max_size=2),
    st.sets(st.sampled_from([".git", ".tox", "a", "tests", "CVS"])),
)
def test_the_files_that_count_are_those_bandit_would_find(
    path: str, exclude: list[str], include: list[str], ini: list[str], folders: set[str]
) -> None:
    settings = {"exclude_dirs": exclude, "include": include}
    section = "[bandit]\nskips = B999\n" + (f"exclude = {','.join(ini)}\n" if ",".join(ini).strip() else "")
    excluded = ini if ",".join(ini).strip() else DEFAULT_EXCLUDE
    if any(glob != glob.strip() for glob in ini):
        return
    with pytest.MonkeyPatch.context() as patch:
        found = discovered(path, settings, ",".join(excluded), folders.__contains__, patch)
    profile = load_profile(
        {".bandit": section.encode(), "bandit.yaml": json.dumps(settings).encode()},
        PACK,
        folders.__contains__,
    )
    assert profile.counts(path.encode("utf-8", "surrogateescape")) == found


def discovered(
    path: str,
    settings: dict[str, list[str]],
    excluded: str,
    is_folder: Callable[[str], bool],
    patch: pytest.MonkeyPatch,
) -> bool:
    """Have bandit discover files below ``.`` in a root that holds this one file and these folders."""
    config = BanditConfig()
    config._config = {**settings, "include": settings["include"] or ["*.py", "*.pyw"]}
    manager = BanditManager(config, "file", quiet=True)
    patch.setattr("os.path.isdir", lambda name: name == "." or is_folder(name))
    head, _, tail = f"./{path}".rpartition("/")
    patch.setattr("os.walk", lambda _: [(head, [], [tail])])
    manager.discover_files(["."], True, excluded)
    return bool(manager.files_list)


@pytest.mark.parametrize(
    ("path", "git_is_folder", "counts"),
    [
        (b".github/a.py", True, True),
        (b".github/a.py", False, False),
        (b"a.pyw", True, True),
        (b"a.pyi", True, False),
    ],
)
def test_what_counts_below_a_usual_root(path: bytes, git_is_folder: bool, counts: bool) -> None:
    profile = load_profile({}, PACK, usual_folder if git_is_folder else lambda _: False)
    assert profile.counts(path) is counts
