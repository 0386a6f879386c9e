"""What a workbench takes from its surroundings: our own sources as part of each key, and how many workers run."""

import os
import shutil
from pathlib import Path

import pytest

from konivrer_watch import passes
from konivrer_watch.core.model import Pass
from konivrer_watch.core.settings import Settings
from konivrer_watch.daemon import contexts, workbench
from konivrer_watch.daemon.context import own_engines
from konivrer_watch.daemon.workbench import worker_count
from konivrer_watch.system import files
from konivrer_watch.system.cgroups import CpuGroup
from tests.daemon.bench import Asked, checked
from tests.ruff_tree import write


def test_another_source_of_an_engine_is_another_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "passes"
    shutil.copytree(passes.__path__[0], copy)
    before = own_engines()
    monkeypatch.setattr(passes, "__path__", [str(copy)])
    assert own_engines() == before
    (copy / "lint/__pycache__").mkdir(exist_ok=True)
    write(copy, {"lint/__pycache__/words.pyc": "no source"})
    assert own_engines() == before
    (copy / "lint/words.py").rename(copy / "lint/other.py")
    renamed = own_engines()
    write(copy, {"lint/other.py": (copy / "lint/other.py").read_bytes() + b"# repaired\n"})
    assert len({before, renamed, own_engines()}) == 3


def test_a_repaired_engine_judges_everything_anew_and_reads_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RACY_NS", 0)
    root = tmp_path / "tree"
    write(root, {"a.py": "import os\n", "b.py": ""})
    asked = Asked(monkeypatch)
    checked(root)
    asked.reset()
    checked(root)
    assert (asked.ran, asked.read) == (set(), set())
    monkeypatch.setattr(contexts, "own_engines", lambda: b"repaired")
    checked(root)
    assert asked.ran == {(name, pass_) for name in ("a.py", "b.py") for pass_ in Pass}
    assert asked.read == {"a.py", "b.py"}


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [([], 4), ([2.0], 2), ([2.9, 3.5], 2), ([0.3], 1), ([64.0], 4)],
)
def test_as_many_workers_run_as_there_are_whole_cores_for_us(
    monkeypatch: pytest.MonkeyPatch, quotas: list[float], expected: int
) -> None:
    class Limited:
        def cpu(self) -> tuple[CpuGroup, ...]:
            return tuple(CpuGroup("/group", quota, None) for quota in quotas)

    monkeypatch.setattr(workbench, "Cgroups", Limited)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert worker_count(Settings()) == expected
    assert worker_count(Settings(workers=3)) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5})
    assert worker_count(Settings()) == 1
