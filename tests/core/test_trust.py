"""A command is trusted by its exact text, for one root, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.settings import Settings
from konivrer_watch.core.trust import Command, TrustRecord, agree, agreed_at, commands_of

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
