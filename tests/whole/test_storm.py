"""A small storm of file operations; ``scripts/bench.sh storm`` has the large one."""

from tests.bench.storm import run


def test_after_a_storm_the_watchers_findings_are_those_of_a_cold_check() -> None:
    assert run(400, seed=11) == 0
