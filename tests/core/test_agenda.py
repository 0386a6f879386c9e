"""The agenda against a model that keeps one plain record for each path."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from konivrer_watch.core.agenda import Agenda
from konivrer_watch.core.model import Trigger
from konivrer_watch.core.settle import Settled

PATHS = st.sampled_from([b"a", b"b", b"c", b"d"])
URGENCY = list(Trigger)


class AgendaMachine(RuleBasedStateMachine):
    """``waiting`` and ``again`` hold what a path waits with, ``running`` is what runs."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()
        self.waiting: dict[bytes, tuple[int, float]] = {}
        self.again: dict[bytes, tuple[int, float]] = {}
        self.running: set[bytes] = set()

    @rule(path=PATHS, trigger=st.sampled_from(Trigger), noticed=st.integers(0, 9))
    def add(self, path: bytes, trigger: Trigger, noticed: int) -> None:
        """A path changes."""
        self.agenda.add(Settled(path, trigger, noticed))
        held = self.again if path in self.running else self.waiting
        urgency, earlier = held.get(path, (len(URGENCY), noticed))
        held[path] = min(urgency, URGENCY.index(trigger)), min(earlier, noticed)

    @rule(limit=st.integers(1, 3))
    def take(self, limit: int) -> None:
        """A lane takes what is most urgent."""
        taken = self.agenda.take(limit)
        most_urgent = min((urgency for urgency, _ in self.waiting.values()), default=None)
        eligible = [path for path, (urgency, _) in self.waiting.items() if urgency == most_urgent]
        assert len(taken) == min(limit, len(eligible))
        assert len({entry.path for entry in taken}) == len(taken)
        for entry in taken:
            assert entry.path in eligible
            assert (URGENCY.index(entry.trigger), entry.noticed) == self.waiting.pop(entry.path)
            self.running.add(entry.path)

    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        """Some runs end."""
        ended = data.draw(st.sets(st.sampled_from(sorted(self.running)))) if self.running else set()
        self.agenda.done(ended)
        self.running -= ended
        for path in ended & self.again.keys():
            self.waiting[path] = self.again.pop(path)

    @rule(path=PATHS)
    def drop(self, path: bytes) -> None:
        """A file vanishes."""
        self.agenda.drop(path)
        self.waiting.pop(path, None)
        self.again.pop(path, None)

    @invariant()
    def counts_agree(self) -> None:
        """The agenda counts as the model does."""
        assert self.agenda.waiting == len(self.waiting) + len(self.again)
        assert self.agenda.running == len(self.running)
        assert self.agenda.ready == bool(self.waiting)
        assert self.agenda.idle == (not self.waiting and not self.again and not self.running)

    def teardown(self) -> None:
        """Work it off: each path that waits is run once more, and then nothing is left."""
        self.agenda.done(self.running)
        left = sorted([*self.waiting, *self.again])
        run: list[bytes] = []
        while taken := self.agenda.take(2):
            run += [entry.path for entry in taken]
            self.agenda.done([entry.path for entry in taken])
        assert sorted(run) == left
        assert self.agenda.idle


TestAgendaHoldsEachPathOnce = AgendaMachine.TestCase


def save(path: bytes, noticed: float = 0.0) -> Settled:
    return Settled(path, Trigger.SAVE, noticed)


def test_a_path_that_changes_many_times_while_it_runs_is_run_exactly_once_more() -> None:
    agenda = Agenda()
    agenda.add(save(b"a"))
    agenda.take(1)
    for noticed in (3.0, 1.0, 2.0):
        agenda.add(save(b"a", noticed))
    assert agenda.take(1) == []
    agenda.done([b"a"])
    assert agenda.take(9) == [save(b"a", 1.0)]
    agenda.done([b"a"])
    assert agenda.idle


def test_a_save_overtakes_a_sweep_and_is_not_mixed_with_it() -> None:
    agenda = Agenda()
    for name in (b"1", b"2", b"3"):
        agenda.add(Settled(name, Trigger.SWEEP, 0.0))
    agenda.add(save(b"x"))
    assert [entry.path for entry in agenda.take(64)] == [b"x"]
    assert [entry.path for entry in agenda.take(64)] == [b"1", b"2", b"3"]


def test_a_file_that_vanished_while_it_ran_is_not_run_again() -> None:
    agenda = Agenda()
    agenda.add(save(b"a"))
    agenda.take(1)
    agenda.add(save(b"a"))
    agenda.drop(b"a")
    agenda.done([b"a"])
    assert agenda.idle


def test_a_file_that_vanished_and_came_back_while_it_ran_is_run_again() -> None:
    agenda = Agenda()
    agenda.add(save(b"a"))
    agenda.take(1)
    agenda.drop(b"a")
    agenda.add(save(b"a", 5.0))
    agenda.done([b"a"])
    assert agenda.take(1) == [save(b"a", 5.0)]
