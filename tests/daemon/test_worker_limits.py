"""What one job may take of memory and processor in a real engine worker."""

import resource
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from konivrer_watch.core.model import Pass, ProblemKind
from konivrer_watch.daemon.frames import WorkerAnswer, WorkerJob, WorkerSetup, encode
from konivrer_watch.passes.optimize.engine import OptimizeSettings
from tests.daemon.engine_worker import MEGABYTE, PASSES, Worker

SHELL = b"import subprocess\nsubprocess.call(x, shell=True)\n"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory is mapped")


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    with worker.process:
        yield worker
        worker.process.kill()


def codes(answer: WorkerAnswer, pass_: Pass) -> set[str]:
    return {finding.code for finding in answer.verdicts[pass_].findings}


def kinds(answer: WorkerAnswer) -> dict[Pass, ProblemKind | None]:
    return {
        pass_: verdict.problem.kind if verdict.problem else None for pass_, verdict in answer.verdicts.items()
    }


@LINUX
def test_a_list_of_a_megabyte_is_a_problem_where_memory_is_short_and_the_next_job_is_answered(
    worker: Worker,
) -> None:
    worker.setup(64 * MEGABYTE)
    answer = worker.judge(b"x = [" + b"1," * 500_000 + b"]\n")
    assert kinds(answer) == dict.fromkeys(PASSES, ProblemKind.ENGINE)
    assert "B602" in codes(worker.judge(SHELL), Pass.SECURITY)


def test_a_job_that_takes_too_much_of_the_processor_ends_the_worker(worker: Worker) -> None:
    worker.send(encode(WorkerSetup({}, OptimizeSettings(), None, 512 * MEGABYTE, cpu_seconds=0.05)))
    # The limit is for each job, not for all.
    began = psutil.Process(worker.process.pid).cpu_times().user
    while psutil.Process(worker.process.pid).cpu_times().user < began + 0.1:
        worker.judge(b"x = 1\n" * 500, [Pass.OPTIMIZE])
    worker.send(encode(WorkerJob(b"a.py", b"x = 1\n" * 300_000, (Pass.OPTIMIZE,))))
    assert worker.process.wait(10) == -signal.SIGPROF


@LINUX
def test_the_memory_limit_counts_from_the_start_and_not_from_the_last_setup(worker: Worker) -> None:
    limits = []
    for number in range(3):
        worker.setup(64 * MEGABYTE)
        worker.judge(b"x = [" + b"1," * 50_000 * (number + 1) + b"]\n")
        limits.append(resource.prlimit(worker.process.pid, resource.RLIMIT_AS))
    assert limits[0] != (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert limits == [limits[0]] * 3
    worker.setup(32 * MEGABYTE)
    worker.judge(b"")
    assert resource.prlimit(worker.process.pid, resource.RLIMIT_AS)[0] == limits[0][0] - 32 * MEGABYTE


@LINUX
def test_a_limit_set_from_outside_is_kept(worker: Worker) -> None:
    resource.prlimit(worker.process.pid, resource.RLIMIT_AS, (800 * MEGABYTE, 800 * MEGABYTE))
    worker.setup(4000 * MEGABYTE)
    worker.judge(b"")
    assert resource.prlimit(worker.process.pid, resource.RLIMIT_AS) == (800 * MEGABYTE, 800 * MEGABYTE)
