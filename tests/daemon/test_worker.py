"""The engine worker as a real process: it judges bytes, survives them, and imports nothing of a repository."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from konivrer_watch.core.model import Finding, Level, Pass, ProblemKind, Verdict
from konivrer_watch.daemon.frames import (
    WorkerAnswer,
    WorkerJob,
    WorkerSetup,
    decode_answer,
    encode,
    encode_answer,
)
from konivrer_watch.passes.optimize.engine import OptimizeSettings
from tests.daemon.engine_worker import COMMAND, MEGABYTE, PASSES, Worker

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


def test_bytes_are_judged_by_the_passes_asked_for_and_each_is_timed(worker: Worker) -> None:
    worker.setup()
    answer = worker.judge(SHELL + b"for i in list(range(9)):\n    print(i)\n")
    assert "B602" in codes(answer, Pass.SECURITY)
    assert kinds(answer) == dict.fromkeys(PASSES)
    assert answer.seconds.keys() == set(PASSES)
    only = worker.judge(SHELL, [Pass.OPTIMIZE])
    assert only.verdicts.keys() == {Pass.OPTIMIZE}


def test_it_ends_when_its_standard_input_does(worker: Worker) -> None:
    worker.setup()
    worker.judge(SHELL)
    assert worker.end() == 0


def test_it_ends_without_a_word_where_a_frame_is_cut_off_or_nothing_was_set_up() -> None:
    for start in (b"\0\0", b"\0\0\0\x09half"):
        ended = subprocess.run(COMMAND, input=start, capture_output=True, timeout=10, cwd="/")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    unset = Worker()
    with unset.process as process:
        unset.send(encode(WorkerJob(b"a.py", b"", PASSES)))
        assert process.wait(5) == 0


def test_control_c_in_the_terminal_is_left_to_the_parent(worker: Worker) -> None:
    worker.setup()
    worker.judge(b"")
    worker.process.send_signal(signal.SIGINT)
    assert kinds(worker.judge(SHELL)) == dict.fromkeys(PASSES)


@LINUX
def test_it_dies_with_its_parent_even_where_its_standard_input_does_not_end(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen({list(COMMAND)!r}, stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        # This one keeps the other end of the worker's standard input open.
        "subprocess.Popen(['sleep', '60'], pass_fds=[child.stdin.fileno()], stdout=subprocess.DEVNULL)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        # It turns SIGINT off after it has asked to end with its parent.
        for _ in range(500):
            if ignores_interrupt(child.pid):
                break
            time.sleep(0.01)
        others = [each for each in psutil.Process(parent.pid).children() if each != child]
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=0.5)
    for other in others:
        other.kill()
    assert len(others) == 1
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def ignores_interrupt(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask.split()[1], 16) & 1 << (signal.SIGINT - 1))


@pytest.mark.parametrize(
    "data",
    [
        b"def f(:\n",
        b"x = 1\0\n",
        b"\xff\xfe\n",
        b"# coding: nonsense\n",
        b"x = " + b"-" * 20_000 + b"1\n",
        b"x = " + b"(" * 5000 + b")" * 5000 + b"\n",
        b"x = a" + b".b" * 100_000 + b"\n",
        b"# coding: unicode_escape\npassword = '\\ud800'\n",
    ],
    ids=["syntax", "NUL", "no UTF-8", "unknown coding", "minus", "parentheses", "dots", "half a pair"],
)
def test_what_cannot_be_judged_is_a_problem_of_each_pass_and_the_worker_goes_on(
    worker: Worker, data: bytes
) -> None:
    worker.setup()
    answer = worker.judge(data)
    assert answer.verdicts.keys() == set(PASSES)
    assert all(answer.verdicts[pass_].problem is not None for pass_ in PASSES)
    assert "B602" in codes(worker.judge(SHELL), Pass.SECURITY)


def test_a_chain_is_judged_by_optimize_exactly_where_python_parses_it_and_is_too_deep_for_bandit(
    worker: Worker,
) -> None:
    # Python 3.13 parses it, 3.11 and 3.12 do not.
    data = b"','.join(x for x in y)\na" + b".b" * 8000 + b"\n"
    try:
        parsed = bool(ast.parse(data))
    except RecursionError:
        parsed = False
    worker.setup()
    answer = worker.judge(data)
    problem = None if parsed else ProblemKind.UNPARSABLE
    assert kinds(answer) == {Pass.OPTIMIZE: problem, Pass.SECURITY: ProblemKind.QUARANTINED}
    assert bool(codes(answer, Pass.OPTIMIZE)) == parsed


def test_half_a_surrogate_pair_in_what_is_quoted_can_be_told(worker: Worker) -> None:
    worker.setup()
    answer = worker.judge(b'password = "\\ud800 secret"\n')
    assert codes(answer, Pass.SECURITY) == {"B105"}


def test_a_verdict_that_quotes_what_is_no_unicode_becomes_a_problem_of_its_pass_only() -> None:
    good = Verdict(suppressed=3)
    finding = Finding(1, 1, 1, 2, Pass.OPTIMIZE, "OPT1", "name", Level.NOTE, "half: \ud800")
    answer = WorkerAnswer({Pass.OPTIMIZE: Verdict((finding,)), Pass.SECURITY: good}, {})
    told = decode_answer(encode_answer(answer))
    assert told.verdicts[Pass.SECURITY] == good
    assert kinds(told)[Pass.OPTIMIZE] is ProblemKind.ENGINE


def test_a_pass_that_is_not_set_up_is_a_problem_and_never_silence(worker: Worker) -> None:
    worker.send(encode(WorkerSetup({}, OptimizeSettings(), None, 512 * MEGABYTE)))
    answer = worker.judge(SHELL)
    assert kinds(answer) == {Pass.OPTIMIZE: None, Pass.SECURITY: ProblemKind.ENGINE}


def test_nothing_that_a_repository_holds_is_imported(tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    repository = tmp_path / "repository"
    evil = f"open({str(marker)!r}, 'a').write(__name__)\n"
    names = (
        "yaml",
        "pickle",
        "anyio",
        "bandit",
        "konivrer_watch",
        "msgspec",
        "ast",
        "sitecustomize",
        "usercustomize",
    )
    for number, name in enumerate(names):
        module = repository / name / "__init__.py" if number % 2 else repository / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(evil)
    # The trap works: a Python that looks in its folder falls into it.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([sys.executable, "-c", "import yaml"], cwd=repository, env=clean, check=True)
    assert marker.read_text() == "yaml"
    marker.unlink()
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "PYTHONSTARTUP": str(repository / "yaml.py"),
        "PYTHONHOME": "/nowhere",
    }
    worker = Worker(repository, environment)
    with worker.process:
        worker.setup()
        assert "B602" in codes(worker.judge(SHELL), Pass.SECURITY)
        assert worker.end() == 0
    assert not marker.exists()
