import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.gitignore import compile_lines
from konivrer_watch.core.glob import is_literal, translate

GLOBS = st.lists(
    st.sampled_from(
        [b"a", b"/", b"*", b"**", b"?", b"[", b"]", b"[!", b"-", b"\\", b"[:alpha:]", b"\xff", b"(", b"."]
    )
    | st.binary(min_size=1, max_size=2),
    max_size=10,
).map(b"".join)


def matches(glob: bytes, path: bytes) -> bool:
    source = translate(glob)
    return source is not None and re.fullmatch(source, path, re.DOTALL) is not None


@given(GLOBS)
def test_every_glob_is_malformed_or_a_valid_expression_without_groups(glob: bytes) -> None:
    source = translate(glob)
    assert source is None or re.compile(source, re.DOTALL).groups == 0


@given(st.binary(min_size=1, max_size=12).filter(is_literal), st.binary(max_size=12))
def test_a_plain_glob_matches_itself_only(glob: bytes, path: bytes) -> None:
    assert matches(glob, glob)
    assert matches(glob, path) == (glob == path)


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        (b"*.py", b"a.py", True),
        (b"*.py", b"a/b.py", False),
        (b"*.py", b"a.py\n", False),
        (b"a?c", b"a\nc", True),
        (b"a?c", b"a/c", False),
        (b"?", b"\xc3\xa9", False),
        (b"??", b"\xc3\xa9", True),
        (b"voil\xc3\xa0", b"voil\xc3\xa0", True),
        (b"a/**", b"a", False),
        (b"a/**", b"a/b/c", True),
        (b"a/**/b", b"a/b", True),
        (b"a/**/b", b"a/x/y/b", True),
        (b"**/b", b"b", True),
        (b"**/b", b"ab", False),
        (b"a**b", b"a/b", False),
        (b"?a**/b", b"xay/b", True),
        (b"?a**/b", b"xa/y/b", False),
        (b"a**b", b"axyb", True),
        (b"a/*/b", b"a/b", False),
        (b"*a*b*c", b"xaybbzc", True),
        (b"*ab", b"aab", True),
        (b"*a*a", b"aa", True),
        (b"**/a/b/**/c", b"a/a/b/c", True),
        (b"**/a/c", b"a/a/c", True),
        (b"[a-c]", b"b", True),
        (b"[!a-c]", b"b", False),
        (b"[^a]", b"/", False),
        (b"[]a]", b"]", True),
        (b"[a-]", b"-", True),
        (b"[\\]]", b"]", True),
        (b"[[:digit:]_]", b"7", True),
        (b"[[:space:]]", b"\x0b", False),
        (b"[[:bogus:]]", b"b", False),
        (b"[z-a]", b"m", False),
        (b"[a", b"[a", False),
        (b"a\\", b"a\\", False),
        (b"\\*", b"*", True),
        (b"\\*", b"a", False),
        (b"[a/b]", b"a", True),
    ],
)
def test_globs_mean_what_they_mean_to_git(glob: bytes, path: bytes, expected: bool) -> None:
    assert matches(glob, path) is expected


@pytest.mark.parametrize(
    ("line", "name", "folder"),
    [
        (b"*a" * 60 + b"*cb", b"a" * 254 + b"b", b""),
        (b"?*" * 100 + b"cb", b"a" * 254 + b"b", b""),
        (b"**/a/" * 60 + b"**/c/b", b"b", b"a/" * 2000),
        (b"**/*a*a*a*a/" * 30 + b"**/c/b", b"b", (b"a" * 200 + b"/") * 18),
        (b"**/*/" * 60 + b"c/b", b"b", b"a/" * 2000),
    ],
)
def test_no_glob_of_a_repository_makes_a_match_run_away(line: bytes, name: bytes, folder: bytes) -> None:
    rules = compile_lines(line)
    started = time.process_time()
    assert rules.last_match(name, folder, is_dir=False) is None
    assert time.process_time() - started < 0.5
