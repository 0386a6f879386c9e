"""What was announced is never called missed, whatever the order; what nothing explains is, once, and in time."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.hearing import DISTRUST, GRACE, LINGER, Hearing, must_be_announced
from konivrer_watch.core.model import Signature

PATHS = st.sampled_from([b"a.py", b"b.py", b"p/a.py", b"p/q/a.py", b"p/q/b.py", b"\xff/a.py"])
# What explains a change of a path in these folders: itself, a folder above it, an ignore file above it, everything.
SIGNS = st.sampled_from(["itself", "folder", "ignore file", "everything"])
QUARTERS = st.integers(0, 400).map(lambda number: number / 4)


def sign_of(path: bytes, kind: str) -> frozenset[bytes] | None:
    folder = path.rpartition(b"/")[0]
    match kind:
        case "itself":
            return frozenset({path})
        case "folder":
            return frozenset({folder})
        case "ignore file":
            return frozenset({folder + b"/.gitignore" if folder else b".gitignore"})
        case _:
            return None


class Scene:
    """A history: changes, hints that may come late, and sweeps that take time; told in order to a ``Hearing``."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self.missed: list[bytes] = []
        # At each instant: what is heard first, then what is looked at.
        self.hints: list[tuple[float, frozenset[bytes] | None]] = []
        self.sweeps: list[tuple[float, float, list[bytes]]] = []

    def play(self) -> None:
        """Tell everything, keeping the appointments."""
        moments = [(at, 0, place) for place, (at, _) in enumerate(self.hints)]
        moments += [(end, 1, place) for place, (_, end, _) in enumerate(self.sweeps)]
        for at, kind, place in sorted(moments):
            self.keep_appointments(at)
            if kind == 0:
                self.hearing.heard(self.hints[place][1], at)
            else:
                begun, end, found = self.sweeps[place]
                self.hearing.swept(found, begun, end)
        self.keep_appointments(math.inf)

    def keep_appointments(self, until: float) -> None:
        while self.hearing.next_due < until:
            self.missed += self.hearing.missed(self.hearing.next_due)


def schedule(sweeps: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sweeps one after the other: each begins some time after the one before has ended."""
    placed: list[tuple[float, float]] = []
    at = 0.0
    for pause, length in sweeps:
        placed.append((at + pause, at + pause + length))
        at = placed[-1][1]
    return placed


SWEEPS = st.lists(st.tuples(QUARTERS, st.sampled_from([0.0, 0.5, 20.0])), min_size=1, max_size=8).map(
    schedule
)


@given(SWEEPS, st.lists(st.tuples(PATHS, QUARTERS, st.sampled_from([0.0, 0.25, 4.75]), SIGNS, st.booleans())))
def test_what_is_announced_within_the_grace_is_never_missed(
    sweeps: list[tuple[float, float]], changes: list[tuple[bytes, float, float, str, bool]]
) -> None:
    scene = Scene()
    found: list[list[bytes]] = [[] for _ in sweeps]
    for path, at, delay, kind, passed in changes:
        scene.hints.append((at + delay, sign_of(path, kind)))
        for place, (begun, end) in enumerate(sweeps):
            # A sweep that is under way may have passed the place already; the next one then finds it.
            if at < begun or (at <= end and not passed):
                found[place].append(path)
                break
    scene.sweeps = [(*sweep, paths) for sweep, paths in zip(sweeps, found, strict=True)]
    scene.play()
    assert scene.missed == []


@given(SWEEPS, st.lists(st.sets(PATHS), min_size=8, max_size=8))
def test_of_a_source_that_is_deaf_every_find_is_missed_unless_it_waits_already(
    sweeps: list[tuple[float, float]], found: list[set[bytes]]
) -> None:
    scene = Scene()
    scene.sweeps = [(*sweep, sorted(paths)) for sweep, paths in zip(sweeps, found, strict=False)]
    scene.play()
    due: dict[bytes, float] = {}
    expected = 0
    for _, end, paths in scene.sweeps:
        for path in paths:
            if due.get(path, -math.inf) < end:
                due[path] = end + GRACE
                expected += 1
    assert len(scene.missed) == expected


@given(st.lists(st.tuples(QUARTERS, st.sampled_from([b"b.py", b"p/b.py", b"p/q", b"a.pyi"])), max_size=9))
def test_hints_about_other_paths_explain_nothing(hints: list[tuple[float, bytes]]) -> None:
    scene = Scene()
    scene.hints = [(at, frozenset({path})) for at, path in hints]
    scene.sweeps = [(40.0, 41.0, [b"a.py"]), (60.0, 61.0, [b"p/a.py"])]
    scene.play()
    assert scene.missed == [b"a.py", b"p/a.py"]


def swept(hearing: Hearing, *begins: float) -> None:
    for begun in begins:
        hearing.swept([], begun, begun)


def test_a_hint_explains_for_some_seconds_since_a_new_folder_may_be_filled_before_it_is_watched() -> None:
    for pause, missed in ((LINGER - 1, ()), (LINGER + 1, (b"p/a.py",))):
        hearing = Hearing()
        hearing.heard({b"p"}, 100.0)
        swept(hearing, 100.0, 100.0 + pause)
        hearing.swept([b"p/a.py"], 100.0 + pause + 1, 120.0)
        assert hearing.missed(120.0 + GRACE) == missed


def test_everything_explains_what_was_written_before_the_next_sweep_and_nothing_later() -> None:
    hearing = Hearing()
    swept(hearing, 50.0)
    hearing.heard(None, 100.0)
    assert hearing.swept([b"a.py"], 101.0, 102.0) == 0
    assert hearing.swept([b"a.py"], 103.0, 104.0) == 1


def test_everything_that_is_hinted_during_a_sweep_explains_the_one_after_it_too() -> None:
    hearing = Hearing()
    hearing.heard(None, 100.5)
    assert hearing.swept([b"a.py"], 100.0, 101.0) == 0
    assert hearing.swept([b"b.py"], 101.0, 102.0) == 0


def test_a_find_waits_for_its_hint_and_no_longer() -> None:
    hearing = Hearing()
    assert hearing.swept([b"a.py", b"b.py"], 1.0, 2.0) == 2
    assert hearing.next_due == 2.0 + GRACE
    hearing.heard({b"a.py"}, 6.0)
    assert hearing.missed(2.0 + GRACE - 0.1) == ()
    assert hearing.missed(2.0 + GRACE) == (b"b.py",)
    assert hearing.next_due == math.inf


def test_who_looks_late_was_stopped_and_gives_the_source_another_chance() -> None:
    hearing = Hearing()
    hearing.swept([b"a.py"], 1.0, 2.0)
    assert hearing.missed(500.0) == ()
    assert hearing.missed(500.0 + GRACE) == (b"a.py",)


def test_what_a_source_that_was_not_there_could_not_announce_is_forgotten() -> None:
    hearing = Hearing()
    hearing.swept([b"a.py"], 1.0, 2.0)
    hearing.excuse()
    assert hearing.missed(2.0 + GRACE) == ()


def test_more_hints_than_can_be_remembered_are_as_good_as_everything() -> None:
    hearing = Hearing()
    for start in range(0, 12_000, 1000):
        hearing.heard({b"%d.py" % number for number in range(start, start + 1000)}, 100.0)
    assert hearing.swept([b"other.py"], 100.0, 101.0) == 0


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 100)), max_size=12))
def test_what_is_remembered_is_bounded(batches: list[tuple[int, int]]) -> None:
    hearing = Hearing()
    for size, at in batches:
        hearing.heard({b"%d/%d.py" % (at, number) for number in range(size)}, float(at))
        assert len(hearing._hinted) <= 10_000


def test_a_source_that_missed_once_is_trusted_and_twice_within_an_hour_not_until_it_was_clean_for_one() -> (
    None
):
    hearing = Hearing()
    hearing.distrust(0.0)
    assert hearing.is_trusted(1.0)
    hearing.distrust(DISTRUST - 1)
    assert not hearing.is_trusted(DISTRUST)
    hearing.distrust(DISTRUST + 1000)
    assert not hearing.is_trusted(2 * DISTRUST + 999)
    assert hearing.is_trusted(2 * DISTRUST + 1000)


def test_troubles_more_than_an_hour_apart_cost_no_trust() -> None:
    hearing = Hearing()
    for number in range(5):
        hearing.distrust(number * DISTRUST)
        assert hearing.is_trusted(number * DISTRUST)


SEEN = Signature(1, 10, 100, 100, 0o644)


@pytest.mark.parametrize(
    ("before", "after", "announced"),
    [
        (SEEN, Signature(1, 10, 100, 999, 0o644), False),
        (SEEN, Signature(1, 10, 101, 101, 0o644), True),
        (SEEN, Signature(1, 11, 100, 101, 0o644), True),
        (SEEN, Signature(2, 10, 100, 100, 0o644), False),
        (SEEN, Signature(1, 10, 100, 101, 0o755), True),
        (SEEN, None, True),
        (None, SEEN, True),
    ],
    ids=["a link elsewhere", "written", "resized", "numbered anew", "mode", "removed", "added"],
)
def test_all_that_a_write_brings_has_to_be_announced(
    before: Signature | None, after: Signature | None, announced: bool
) -> None:
    assert must_be_announced(before, after) is announced
