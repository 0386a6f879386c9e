"""What is in the way of a pull, and how it is said."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.pull import (
    OPERATION_MARKS,
    Relation,
    commits,
    complaint,
    read_relation,
    read_status,
    shown_path,
    uncommitted,
    under_way,
    without_secrets,
)


@given(st.sets(st.sampled_from(OPERATION_MARKS)))
def test_something_is_under_way_exactly_where_there_is_a_mark(marks: set[str]) -> None:
    assert (under_way(marks) is None) == (not marks)


@given(st.sets(st.sampled_from(OPERATION_MARKS[:-1]), min_size=1))
def test_a_lock_is_the_last_to_be_named(marks: set[str]) -> None:
    assert under_way({*marks, "index.lock"}) == under_way(marks)


def test_other_names_say_nothing() -> None:
    assert under_way({"HEAD", "ORIG_HEAD", "FETCH_HEAD"}) is None


PATHS = st.binary(min_size=1, max_size=20).filter(lambda path: b"\0" not in path)
ENTRIES = st.lists(st.tuples(st.sampled_from([" M", "M ", "A ", "D ", "UU", "AA"]), PATHS))


@given(ENTRIES)
def test_what_git_lists_is_read_back(entries: list[tuple[str, bytes]]) -> None:
    output = b"".join(letters.encode() + b" " + path + b"\0" for letters, path in entries)
    assert read_status(output) == entries


@given(ENTRIES)
def test_a_tree_is_clean_exactly_where_nothing_is_listed(entries: list[tuple[str, bytes]]) -> None:
    reason = uncommitted(entries)
    assert (reason is None) == (not entries)
    if reason is not None:
        assert shown_path(entries[0][1]) in reason
        assert ("unmerged" in reason) == any(letters in {"UU", "AA"} for letters, _ in entries)


def test_the_number_of_changed_files_is_said() -> None:
    assert uncommitted([(" M", b"a.py")]) == "uncommitted changes of a.py"
    assert uncommitted([(" M", b"a.py")] * 1200) == "uncommitted changes of 1,200 files, such as a.py"
    assert uncommitted([("UU", b"a.py")]) == "unmerged entries of a.py"


@given(PATHS)
def test_a_shown_path_is_bounded_text(path: bytes) -> None:
    shown_path(path).encode()
    assert len(shown_path(path * 200)) <= 120


def test_counts_are_read() -> None:
    assert read_relation(b"2\t3\n") == Relation(ahead=2, behind=3)
    with pytest.raises(ValueError):
        read_relation(b"")
    assert [commits(count) for count in (0, 1, 1000)] == ["0 commits", "1 commit", "1,000 commits"]


WORDS = st.text(string.ascii_letters + string.digits + "%._-", min_size=1)


@given(WORDS, st.none() | WORDS, WORDS, st.sampled_from(["http", "https", "ssh"]))
def test_user_and_password_are_left_out(user: str, password: str | None, host: str, scheme: str) -> None:
    userinfo = user if password is None else f"{user}:{password}"
    text = f"fatal: unable to access '{scheme}://{userinfo}@{host}/x.git/': no"
    assert without_secrets(text) == f"fatal: unable to access '{scheme}://{host}/x.git/': no"
    assert without_secrets(text) in f"fatal: {complaint(text.encode())}"


@given(st.text())
def test_text_without_a_url_is_left_alone(text: str) -> None:
    text = text.replace("://", "")
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (b"", ""),
        (b"fatal: couldn't find remote ref refs/heads/x\n", "couldn't find remote ref refs/heads/x"),
        (
            b"ssh: Could not resolve hostname x: no\r\nfatal: Could not read from remote repository.\n\n"
            b"Please make sure you have the correct access rights\nand the repository exists.\n",
            "ssh: Could not resolve hostname x: no",
        ),
        (
            b"fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\n",
            "Could not read from remote repository.",
        ),
        (b"error: a\nhint: b\nfatal: c\n", "a; c"),
        (b"fatal: \xff", "\\xff"),
    ],
)
def test_the_cause_is_what_is_told(error: bytes, expected: str) -> None:
    assert complaint(error) == expected


@given(st.binary())
def test_a_complaint_is_one_bounded_line(error: bytes) -> None:
    assert len(complaint(error * 50)) <= 300
    assert "\n" not in complaint(error)
