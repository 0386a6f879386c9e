import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.gitignore import IgnoreList, compile_lines, parse_line

LINES = st.lists(
    st.sampled_from(
        [b"a", b"b", b".py", b"*", b"**/", b"/", b"!", b"?", b"[ab]", b" ", b"\\ ", b"#", b"\r", b"\xff"]
    ),
    max_size=5,
).map(b"".join)
NAMES = st.sampled_from([b"a", b"b", b"ab", b"a.py", b"b.py", b"a ", b"\xff", b"#", b"!"])
FOLDERS = st.lists(NAMES, max_size=3).map(lambda names: b"".join(name + b"/" for name in names))


@given(st.lists(LINES, max_size=8), NAMES, FOLDERS, st.booleans())
def test_the_tables_answer_as_trying_each_line_alone_from_the_last(
    lines: list[bytes], name: bytes, folder: bytes, is_dir: bool
) -> None:
    patterns = [parse_line(line, number) for number, line in enumerate(lines, 1)]
    expected = None
    for pattern in patterns:
        if pattern is not None and IgnoreList((pattern,)).last_match(name, folder, is_dir) is not None:
            expected = pattern
    assert compile_lines(b"\n".join(lines)).last_match(name, folder, is_dir) == expected


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"a  ", b"a"),
        (b"a\\ ", b"a\\ "),
        (b"a\\  ", b"a\\ "),
        (b"a\\\\ ", b"a\\\\"),
        (b" a", b" a"),
        (b"a\t", b"a\t"),
        (b"a\r", b"a"),
        (b"a \r", b"a"),
        (b"\\#a", b"\\#a"),
        (b"a\xa0", b"a\xa0"),
        (b"a\0b", b"a"),
    ],
)
def test_a_line_is_trimmed_as_git_trims_it(line: bytes, text: bytes) -> None:
    pattern = parse_line(line, 1)
    assert pattern is not None
    assert pattern.text == text


@pytest.mark.parametrize(
    "line", [b"", b"   ", b"# a", b"#", b"/", b"!", b"!/", b"a[", b"a\\", b"[[:x:]]", b"\r"]
)
def test_comments_and_what_git_never_matches_are_no_patterns(line: bytes) -> None:
    assert parse_line(line, 1) is None


@pytest.mark.parametrize(
    ("line", "negated", "directory", "anchored", "glob"),
    [
        (b"a", False, False, False, b"a"),
        (b"a/", False, True, False, b"a"),
        (b"/a", False, False, True, b"a"),
        (b"a/b", False, False, True, b"a/b"),
        (b"!/a/", True, True, True, b"a"),
        (b"!!a", True, False, False, b"!a"),
        (b"\\!a", False, False, False, b"\\!a"),
    ],
)
def test_a_line_falls_into_its_parts(
    line: bytes, negated: bool, directory: bool, anchored: bool, glob: bytes
) -> None:
    pattern = parse_line(line, 1)
    assert pattern is not None
    assert (pattern.negated, pattern.directory, pattern.anchored, pattern.glob) == (
        negated,
        directory,
        anchored,
        glob,
    )


def test_a_byte_order_mark_is_no_part_of_the_first_pattern() -> None:
    found = compile_lines(b"\xef\xbb\xbfa\nb\n").last_match(b"a", b"", is_dir=False)
    assert found is not None
    assert found.line == 1


def test_a_directory_pattern_leaves_files_of_that_name_alone() -> None:
    rules = compile_lines(b"build/\n*.d/\nx?/\n/top/\n")
    for name in (b"build", b"a.d", b"xy", b"top"):
        assert rules.last_match(name, b"", is_dir=True) is not None
        assert rules.last_match(name, b"", is_dir=False) is None
