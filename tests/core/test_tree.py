from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Change, ChangeKind, Signature
from konivrer_watch.core.tree import diff, is_within

NAMES = st.sampled_from([b"a", b"b", b"ab", b"a.py", b"\xff", b"a\n"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
SIGNATURES = st.builds(
    Signature, st.integers(1, 3), st.integers(0, 2), st.integers(0, 2), st.just(0), st.just(0o100644)
)
TREES = st.dictionaries(PATHS, SIGNATURES, max_size=8)


def applied(known: dict[bytes, Signature], changes: list[Change]) -> dict[bytes, Signature]:
    result = dict(known)
    for change in changes:
        if change.signature is None:
            del result[change.path]
        else:
            result[change.path] = change.signature
    return result


@given(TREES, TREES)
def test_applying_the_difference_to_what_was_known_gives_what_was_found(
    known: dict[bytes, Signature], found: dict[bytes, Signature]
) -> None:
    assert applied(known, diff(known, found)) == found


@given(TREES, TREES)
def test_a_difference_is_sorted_and_names_each_path_once_with_its_kind(
    known: dict[bytes, Signature], found: dict[bytes, Signature]
) -> None:
    changes = diff(known, found)
    paths = [change.path for change in changes]
    assert paths == sorted(set(paths))
    for change in changes:
        assert (change.kind is ChangeKind.REMOVED) == (change.path not in found) == (change.signature is None)
        assert (change.kind is ChangeKind.ADDED) == (change.path not in known)


@given(TREES)
def test_equal_trees_do_not_differ(tree: dict[bytes, Signature]) -> None:
    assert diff(tree, dict(tree)) == []


def test_a_path_is_not_within_a_directory_whose_name_it_merely_begins_with() -> None:
    assert not is_within(b"database.py", b"data")
    assert is_within(b"data/base.py", b"data")
    assert is_within(b"data", b"data")
