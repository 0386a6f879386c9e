import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from konivrer_watch.core.model import ProblemKind
from konivrer_watch.passes.security.driver import SecurityEngine
from konivrer_watch.passes.security.profile import load_profile
from tests.passes.security_sources import IMPORTS, PACK, PACK_FILE, SNIPPETS


def run_bandit(folder: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "bandit", "-q", "-r", ".", "-f", "json", *options],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def characters(root: Path, result: dict[str, Any]) -> int:
    """Translate an offset in bytes; B613 alone speaks of characters."""
    offset: int = result["col_offset"]
    if result["test_id"] == "B613":
        return offset
    line = (root / result["filename"]).read_bytes().split(b"\n")[result["line_number"] - 1]
    return len(line[:offset].decode("utf-8"))


def test_our_pack_is_judged_as_by_bandits_command_line(tmp_path: Path) -> None:
    for folder in ("pkg", "pkg/tests", "pkg/test"):
        (tmp_path / folder).mkdir()
    for number, snippet in enumerate(SNIPPETS):
        for name in ("pkg/tests/a{}.py", "pkg/test_{}.py", "pkg/b{}.pyw", "pkg/test/c{}.py"):
            (tmp_path / name.format(number)).write_text(IMPORTS + "assert x\n" + snippet, "utf-8", newline="")
    (tmp_path / "pkg" / "bad.py").write_text("def (:\n", "utf-8")
    stock = run_bandit(tmp_path, "-c", str(PACK_FILE))
    profile = load_profile({}, PACK)
    engine = SecurityEngine(profile)
    ours, problems, suppressed = set(), set(), 0
    for file in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        path = bytes(file.relative_to(tmp_path))
        assert profile.counts(path)
        verdict = engine.judge(path, file.read_bytes())
        name = "./" + path.decode()
        suppressed += verdict.suppressed
        if verdict.problem is not None and verdict.problem.kind is ProblemKind.UNPARSABLE:
            problems.add(name)
        ours |= {
            (name, f.line, f.column, f.code, f.name, f.severity, f.confidence, f.message, f.url)
            for f in verdict.findings
        }
    theirs = {
        (
            r["filename"],
            r["line_number"],
            characters(tmp_path, r) + 1,
            r["test_id"],
            r["test_name"],
            r["issue_severity"],
            r["issue_confidence"],
            r["issue_text"],
            r["more_info"],
        )
        for r in stock["results"]
    }
    totals = stock["metrics"]["_totals"]
    assert suppressed == totals["nosec"] + totals["skipped_tests"]
    assert problems == {error["filename"] for error in stock["errors"]} == {"./pkg/bad.py"}
    assert ours == theirs
