"""The line that leaves a file out leaves out that file, and a message's configuration file is found."""

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konivrer_watch.core.model import Problem, ProblemKind, Verdict
from konivrer_watch.core.relevance import IgnoreRules
from konivrer_watch.daemon.hints import blamed, exclude_line, with_exclude_line

ODD = "\\*?[]!#$^{}()\"' \t\r\n\x0b\x1b\x7f\x85\u2028\u202e\U000e0001-a.é"
NAMES = st.text(
    st.sampled_from(ODD) | st.characters(exclude_characters="\0/", codec="utf-8"),
    min_size=1,
    max_size=8,
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join(parts).encode())


def excludes(line: str, path: bytes) -> bool:
    """Whether the setting, as it is read from a file, keeps a file from being looked at."""
    rules = IgnoreRules.top(()).excluding(tomllib.loads(line)["exclude"])
    *above, name = path.split(b"/")
    for folder in above:
        if rules.ignores(folder, is_dir=True):
            return True
        rules = rules.descend(folder, None)
    return rules.ignores(name, is_dir=False) is not None


@given(PATHS, PATHS)
@example(b"a b ", b"a b")
@example(b"a  ", b"a ")
@example(b"x\r", b"x")
@example(b"x\\\r", b"x\r")
@example(b"x\r\r", b"x\r")
@example(b"x \r", b"x ")
@example(b"x\r ", b"x\r")
@example(b"!a", b"a")
@example(b"#a", b"a")
@example(b"[ab]*?.py", b"ac.py")
@example(b"d/a.py", b"a.py")
@example(b"a.py", b"d/a.py")
@example(b"**/a.py", b"d/a.py")
@example(b"\\", b"\\\\")
@example("\"'\x7f\x85\u2028.py".encode(), b"b")
def test_the_line_leaves_out_exactly_the_file(path: bytes, other: bytes) -> None:
    line = exclude_line(path)
    assert line.isprintable()
    assert excludes(line, path)
    assert not excludes(line, other) or other == path or other.startswith(path + b"/")
    for near in (path + b"x", b"x" + path, path[:-1], path.swapcase(), path + b" ", path[1:]):
        parts = near.split(b"/")
        if near != path and all(parts) and not near.startswith(path + b"/"):
            assert not excludes(line, near), near


@given(
    st.lists(
        st.binary(min_size=1, max_size=5).filter(lambda name: not {0, 47} & set(name)), min_size=1, max_size=2
    )
)
def test_a_name_of_any_bytes_is_left_out_and_none_of_other_length_is(parts: list[bytes]) -> None:
    path = b"/".join(parts)
    line = exclude_line(path)
    assert excludes(line, path)
    assert not excludes(line, path + b"x")


@pytest.mark.parametrize("kind", ProblemKind)
def test_the_hint_names_the_line_where_the_file_itself_is_the_problem(kind: ProblemKind) -> None:
    verdict = with_exclude_line(b"a/b.py", Verdict(problem=Problem(kind, "m", "Mend it.")))
    assert verdict.problem is not None
    own = kind in {ProblemKind.UNPARSABLE, ProblemKind.TOO_LARGE, ProblemKind.QUARANTINED}
    assert verdict.problem.hint == ('Mend it; exclude = ["/a/b.py"] leaves it out' if own else "Mend it.")
    assert with_exclude_line(b"a/b.py", Verdict()) == Verdict()


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("Failed to parse /r/pkg/ruff.toml: TOML parse error", b"pkg/ruff.toml"),
        ("Failed to load configuration `/r/a b/.ruff.toml`: Failed to parse /r/x.toml", b"a b/.ruff.toml"),
        ("Failed to load `/etc/ruff.toml` (`/r/pyproject.toml` extends `/etc/ruff.toml`)", b"pyproject.toml"),
        ("Failed to parse /rr/ruff.toml: bad", b""),
        ("bandit refuses its configuration: /r/x is bad", b""),
        ("nothing", b""),
    ],
)
def test_the_configuration_file_that_a_message_names_is_found(message: str, path: bytes) -> None:
    assert blamed(b"/r", message) == path
