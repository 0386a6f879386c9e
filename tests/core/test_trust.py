"""A command is trusted by its exact text, for one root, and by nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.settings import Settings
from konivrer_watch.core.trust import Command, TrustRecord, agree, agreed_at, commands_of, show

COMMANDS = st.builds(Command, st.sampled_from(["verify", "other"]), st.text())


@given(st.lists(COMMANDS), COMMANDS)
def test_exactly_what_was_agreed_to_is_trusted(agreed: list[Command], command: Command) -> None:
    record = agree(TrustRecord(b"/r"), agreed, "now")
    assert (agreed_at(record, b"/r", command) == "now") == (command in agreed)


@given(COMMANDS, st.text(min_size=1))
def test_any_other_text_is_untrusted_again(command: Command, more: str) -> None:
    record = agree(TrustRecord(b"/r"), [command], "now")
    for text in (command.text + more, more + command.text):
        assert agreed_at(record, b"/r", Command(command.key, text)) is None


@given(COMMANDS)
def test_another_root_trusts_nothing(command: Command) -> None:
    record = agree(TrustRecord(b"/r"), [command], "now")
    assert agreed_at(record, b"/r/", command) is None
    assert agreed_at(None, b"/r", command) is None


def test_text_cannot_move_between_key_and_command() -> None:
    assert Command("a", "b\0c").digest != Command("a\0b", "c" * 2).digest
    assert Command("verify", "x").digest != Command("other", "x").digest


def test_agreeing_again_keeps_the_instant_and_drops_what_is_gone() -> None:
    first, second = Command("verify", "a"), Command("verify", "b")
    record = agree(TrustRecord(b"/r"), [first], "then")
    assert agree(record, [first, second], "now").agreed == {first.digest: "then", second.digest: "now"}
    assert agree(record, [second], "now").agreed == {second.digest: "now"}


def test_half_a_surrogate_pair_is_text_too() -> None:
    assert len(Command("verify", "\udc80").digest) == 64


@pytest.mark.parametrize(("verify", "count"), [(None, 0), ("make test", 1)])
def test_the_commands_of_settings_are_found(verify: str | None, count: int) -> None:
    assert len(commands_of(Settings(verify=verify))) == count


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("make test", "make test"),
        ("make  test", "make\\u0020{2}test"),
        ("make" + " " * 5000 + "; evil", "make\\u0020{5000}; evil"),
        (" make ", "\\u0020make\\u0020"),
        ("a\x1b[2K\n\tb", "a\\u001b[2K\\u000a\\u0009b"),
        ("caf\u00e9", "caf\\u00e9"),
        ("\U000e0041", "\\U000e0041"),
        ("a" + "\u3164" * 4000, "a\\u3164{4000}"),
        ("\udc80", "\\udc80"),
        ("a\\nb", "a\\nb"),
        ("\\u200b", "\\u005cu200b"),
        ("\u200b{3}", "\\u200b\\u007b3}"),
    ],
)
def test_a_command_is_shown_with_all_that_it_holds(text: str, shown: str) -> None:
    assert show(text) == shown


@pytest.mark.parametrize(
    "point", [0x200B, 0xAD, 0x2060, 0xA0, 0x3164, 0xFE0F, 0x34F, 0xE0041, 0x202E, 0x430, 0x2800]
)
def test_what_hides_or_looks_like_another_is_shown_by_its_number(point: int) -> None:
    shown = show(f"a{chr(point)}b")
    assert shown == (f"a\\u{point:04x}b" if point < 0x10000 else f"a\\U{point:08x}b")


_PIECES = st.sampled_from([" ", "  ", "\\", "u", "U", "{", "}", "2", "0020", "\u200b", "\U000e0041", "\n"])


@given(st.one_of(st.text(), st.lists(_PIECES).map("".join)))
def test_what_is_shown_tells_the_text_exactly(text: str) -> None:
    shown = show(text)
    assert shown.isascii() and shown.isprintable() and shown == shown.strip() and "  " not in shown
    assert unshow(shown) == text


def unshow(shown: str) -> str:
    code = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8}))(?:\{([0-9]+)\})?")
    return code.sub(lambda match: chr(int(match[1] or match[2], 16)) * int(match[3] or 1), shown)
