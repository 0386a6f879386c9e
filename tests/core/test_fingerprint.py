"""The key of a verdict differs wherever one of its arguments does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.fingerprint import key_mark, verdict_key
from konivrer_watch.core.model import Pass

Arguments = tuple[Pass, bytes, bytes, bytes, bool, bytes, bytes]
PART = st.binary(max_size=3)
ARGUMENTS = st.tuples(st.sampled_from(Pass), PART, PART, PART, st.booleans(), PART, PART)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut ``data`` into five parts."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


@given(ARGUMENTS, ARGUMENTS)
def test_keys_are_equal_exactly_when_all_arguments_are(one: Arguments, other: Arguments) -> None:
    assert (verdict_key(*one) == verdict_key(*other)) == (one == other)


@given(
    st.text("x-a\0\1\2\3\4", min_size=1, max_size=12).map(str.encode),
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
)
def test_equal_bytes_cut_differently_into_arguments_give_different_keys(
    data: bytes, first: list[int], second: list[int]
) -> None:
    # The same bytes in the same order, and only the borders between the arguments moved.
    one, other = cut(data, first), cut(data, second)
    keys = [
        verdict_key(Pass.LINT, parts[0], parts[1], parts[2], True, parts[3], parts[4])
        for parts in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)


def test_a_key_is_the_same_in_every_process_and_version() -> None:
    # Verdicts are kept under their keys for ever: a change here empties every store.
    key = verdict_key(Pass.SECURITY, b"bandit 1.9", b"c" * 32, b"pkg/\xff.py", False, b"d" * 32, b"")
    assert key.hex() == "73f5c994117e1b123606246ededa77e1b1c981a7e7c7f0186d073726613deefd"


@given(ARGUMENTS)
def test_a_key_is_32_bytes(arguments: Arguments) -> None:
    assert len(verdict_key(*arguments)) == 32


@given(ARGUMENTS)
def test_a_key_begins_with_the_mark_of_its_pass_alone(arguments: Arguments) -> None:
    key = verdict_key(*arguments)
    assert [pass_ for pass_ in Pass if key.startswith(key_mark(pass_))] == [arguments[0]]
