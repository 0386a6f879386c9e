"""Hints coalesce, are bounded, wake their reader, and none is lost."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Hint
from konivrer_watch.daemon.inbox import Inbox

BATCHES = st.lists(st.lists(st.none() | st.sampled_from([b"", b"a.py", b"\xff.py"]), max_size=4), max_size=6)


@given(BATCHES)
def test_what_was_put_is_taken_once_and_everything_swallows_the_rest(
    batches: list[list[bytes | None]],
) -> None:
    inbox = Inbox()
    for batch in batches:
        inbox.put_nowait([Hint(path) for path in batch])
    put = {path for batch in batches for path in batch}
    assert inbox.take() == (None if None in put else put)
    assert inbox.take() == frozenset()


@given(BATCHES, st.integers(0, 6))
def test_taking_in_between_loses_nothing(batches: list[list[bytes | None]], place: int) -> None:
    inbox = Inbox()
    taken: set[bytes] = set()
    everything = False
    for number, batch in enumerate(batches):
        inbox.put_nowait([Hint(path) for path in batch])
        if number == place:
            now = inbox.take()
            everything = now is None
            taken |= now or frozenset()
    last = inbox.take()
    put = {path for batch in batches for path in batch}
    assert (everything or last is None) == (None in put)
    if None not in put:
        assert taken | (last or frozenset()) == put


@pytest.mark.parametrize(("count", "collapses"), [(10_000, False), (10_001, True)])
def test_a_flood_of_paths_becomes_everything(count: int, collapses: bool) -> None:
    inbox = Inbox()
    for start in range(0, count, 100):
        inbox.put_nowait([Hint(b"%d.py" % number) for number in range(start, min(start + 100, count))])
    assert (inbox.take() is None) == collapses


@pytest.mark.anyio
async def test_a_waiting_reader_is_woken_by_a_hint() -> None:
    inbox = Inbox()
    with anyio.fail_after(1):
        async with anyio.create_task_group() as group:
            group.start_soon(inbox.wait)
            await anyio.wait_all_tasks_blocked()
            inbox.put_nowait([Hint(b"a.py")])
    assert inbox.take() == frozenset({b"a.py"})


@pytest.mark.anyio
async def test_a_hint_that_came_before_the_wait_is_not_waited_for() -> None:
    inbox = Inbox()
    inbox.put_nowait([Hint(None)])
    with anyio.fail_after(1):
        await inbox.wait()


@pytest.mark.anyio
async def test_a_reader_can_be_woken_without_a_hint() -> None:
    inbox = Inbox()
    inbox.wake_nowait()
    with anyio.fail_after(1):
        await inbox.wait()
    assert inbox.take() == frozenset()


@pytest.mark.anyio
@pytest.mark.parametrize("hints", [[], [Hint(b"a.py")]], ids=["no hint", "a hint that was taken"])
async def test_a_reader_sleeps_while_there_is_nothing(hints: list[Hint]) -> None:
    inbox = Inbox()
    inbox.put_nowait(hints)
    inbox.take()
    with anyio.move_on_after(0.05) as scope:
        await inbox.wait()
    assert scope.cancelled_caught
