"""How jobs are put into runs of ruff."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.system.ruff_batch import LintJob, batches


class Configured(msgspec.Struct, frozen=True):
    digest: bytes = b""
    own: bool = False
    target_version: str | None = None
    preview: bool = False
    forced: bool = False


PROFILES = st.builds(
    Configured,
    digest=st.sampled_from([b"1", b"2"]),
    own=st.booleans(),
    target_version=st.sampled_from([None, "py311"]),
    forced=st.booleans(),
)
PATHS = st.binary(min_size=1, max_size=6) | st.text(min_size=1, max_size=9).map(
    lambda text: text.encode() * 4000
)
JOBS = st.lists(
    st.builds(LintJob, PATHS, PROFILES, st.booleans()), max_size=30, unique_by=lambda job: job.path
)


@given(JOBS)
def test_each_job_is_in_one_run_with_jobs_of_its_kind(jobs: list[LintJob]) -> None:
    made = list(batches(jobs))
    assert sorted(job.path for batch in made for job in batch) == sorted(job.path for job in jobs)
    for batch in made:
        kinds = {(job.profile.own, job.profile.target_version, job.profile.forced) for job in batch}
        assert len(kinds) == 1
        assert len(batch) == 1 or sum(len(job.path) + 1 for job in batch) <= 96 << 10
        assert len(batch) == 1 or all(b"\xef\xbf\xbd" not in _printed(job.path) for job in batch)


def test_runs_are_as_few_as_their_limits_allow() -> None:
    jobs = [LintJob(b"%d.py" % number, Configured(), False) for number in range(2500)]
    assert [len(batch) for batch in batches(jobs)] == [1000, 1000, 500]


def _printed(path: bytes) -> bytes:
    text = path.decode(errors="replace").encode()
    return text if text != path else path.replace(b"\xef\xbf\xbd", b"")
