"""What a person writes is read, and what would keep tomllib busy for hours is an error at once."""

import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.toml import LONGEST_KEY, parse_toml

BOMBS = {
    "a header": "[" + "a." * 50_000 + "a]\n" + "".join(f"k{n}.x=1\n" for n in range(40_000)),
    "a key": "a." * 400_000 + "a = 1\n",
    "a key with spaces": "a . " * 100_000 + "a = 1\n",
    "a quoted key": '"a".' * 100_000 + "a = 1\n",
    "an inline table": "x = {" + "a." * 400_000 + "a = 1}\n",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_key_of_thousands_of_parts_is_an_error_within_a_second(bomb: str) -> None:
    started = time.process_time()
    with pytest.raises(tomllib.TOMLDecodeError, match="more than 64 parts"):
        parse_toml(bomb)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "line", ["x" * 900_000, "'" * 900_000, "a-" * 400_000, ". " * 400_000, '"a' * 400_000]
)
def test_looking_for_such_keys_takes_no_longer_than_reading(line: str) -> None:
    started = time.process_time()
    assert parse_toml(f"# {line}\na = 7\n") == {"a": 7}
    assert time.process_time() - started < 1


@given(st.integers(1, LONGEST_KEY))
def test_a_key_of_up_to_sixty_four_parts_is_read(parts: int) -> None:
    value: object = parse_toml(".".join(["a"] * parts) + " = 1\n")
    for _ in range(parts):
        assert isinstance(value, dict)
        value = value["a"]
    assert value == 1


@given(st.text())
def test_all_else_is_what_tomllib_says(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(tomllib.TOMLDecodeError):
            parse_toml(text)
    else:
        assert parse_toml(text) == expected
