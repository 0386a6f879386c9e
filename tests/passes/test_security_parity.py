import ast
import warnings
from typing import Any

import msgspec
import pytest
from bandit.core.extension_loader import MANAGER
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.core.model import Finding, Level, Verdict
from konivrer_watch.passes.security.driver import SecurityEngine
from konivrer_watch.passes.security.profile import SecurityProfile
from konivrer_watch.passes.security.record import Record
from konivrer_watch.passes.security.source import Source
from tests.passes.security_sources import IMPORTS, SNIPPETS, Seen, ask_bandit

# bandit's B703 builds nodes without their fields; Python 3.13 warns of it, which bandit's user never sees.
pytestmark = pytest.mark.filterwarnings("ignore:.*missing 1 required positional:DeprecationWarning")

PLAIN = SecurityEngine(SecurityProfile(own=False))


class Listening:
    """One engine whose records are kept, to compare what it found before it becomes findings."""

    def __init__(self, engine: SecurityEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = engine
        self.records: list[Record] = []
        answer = Record.verdict

        def keep(record: Record, source: Source, url: Any) -> Verdict:
            self.records.append(record)
            return answer(record, source, url)

        monkeypatch.setattr(Record, "verdict", keep)

    def ask(self, data: bytes, tree: ast.Module | None = None) -> Seen:
        """Say what the engine found, in the words of ``ask_bandit``."""
        self.records.clear()
        verdict = self.engine.judge(b"a.py", data, tree)
        if not self.records:
            assert verdict.problem is not None and not verdict.findings
            return [], verdict.suppressed, True, 0
        (record,) = self.records
        issues = [issue.as_dict(with_code=False) for issue, _ in record.found]
        return issues, verdict.suppressed, False, len(record._faults)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    return Listening(PLAIN, monkeypatch)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_is_judged_as_by_bandit(snippet: str, listening: Listening) -> None:
    for source in (snippet, IMPORTS + snippet, f"import flask, requests\n{snippet}"):
        data = source.encode()
        assert listening.ask(data) == ask_bandit(data)


def test_the_snippets_make_every_test_of_bandits_speak() -> None:
    seen = {issue["test_id"] for snippet in SNIPPETS for issue in ask_bandit((IMPORTS + snippet).encode())[0]}
    assert set(MANAGER.plugins_by_id) | set(MANAGER.blacklist_by_id) == seen


def indented(snippet: str, prefix: str) -> str:
    return prefix + "".join("    " + line for line in snippet.splitlines(keepends=True))


BLOCKS = (
    "",
    "if a:\n",
    "def f(a, b='/tmp/x'):\n",
    "class A(B):\n",
    "with a as b:\n",
    "for password in 'x':\n",
)
pieces = st.tuples(st.sampled_from(BLOCKS), st.sampled_from(SNIPPETS[1:]))
modules = st.lists(pieces, max_size=8).map(
    lambda parts: IMPORTS + "".join(indented(text, head) if head else text for head, text in parts)
)
comments = st.sampled_from(
    ("", "  # nosec", "  # nosec B101, B602", "  # nosec: assert_used", "\\", "\x0c", "\r")
)


@given(modules, comments, st.integers(0, 40), st.sampled_from(("\n", "\r\n", "\r")))
@settings(max_examples=150)
def test_any_module_of_snippets_is_judged_as_by_bandit(
    module: str, end: str, line: int, newline: str
) -> None:
    lines = module.split("\n")
    lines[line % len(lines)] += end
    data = newline.join(lines).encode("utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert Listening(PLAIN, monkeypatch).ask(data) == ask_bandit(data)


damages = st.one_of(
    st.binary(max_size=60), st.binary(min_size=1, max_size=4).map(lambda damage: b"  # " + damage + b"\n")
)


@given(damages, st.sampled_from(SNIPPETS), st.integers(0, 200))
@settings(max_examples=150)
def test_damaged_bytes_are_a_problem_exactly_where_bandit_skips_the_file(
    damage: bytes, snippet: str, place: int
) -> None:
    whole = snippet.encode()
    data = whole[: place % (len(whole) + 1)] + damage + whole[place % (len(whole) + 1) :]
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Listening(PLAIN, monkeypatch).ask(data) == ask_bandit(data)


HARD = {
    "latin-1": "# coding: latin-1\npassword = 'caf\u00e9'; eval('\u00e9', exec('x'))\n".encode("latin-1"),
    "coding in line 2 after latin-1": "# caf\u00e9\n# coding: latin-1\neval(x)\n".encode("latin-1"),
    "not UTF-8": b"eval(x)\nx = '\xff'\n",
    "not UTF-8 in a comment": b"eval(x)\nexec(y)  # \xff\n",
    "not UTF-8 in a comment that says nosec": b"eval(x)  # nosec\nexec(y)  # \x80 nosec\n",
    "half a surrogate pair in a comment": b"eval(x)\n\n# \xed\xa0\x80 \xe2\x80\xae\n",
    "BOM": b"\xef\xbb\xbfeval(x)  # nosec\nexec(y)\n",
    "BOM against coding": b"\xef\xbb\xbf# coding: latin-1\neval(x)\n",
    "unknown coding": b"# coding: klingon\neval(x)\n",
    "coding that is no text": b"# coding: hex\neval(x)\n",
    "UTF-7 hides a mark": b"# coding: utf-7\nx = '+IC4-'\n",
    "UTF-7 hides nosec": b"# coding: utf-7\neval(x)  # +AG4-osec\n",
    "UTF-16": "eval(x)\n".encode("utf-16"),
    "NUL": b"eval(x)\0\n",
    "NUL after nosec": b"eval(x)  # nosec\n\0",
    "NUL that the tokenizer trips over": b" )  # nosec\n\0",
    "syntax error": b"def (:\n",
    "unfinished bracket": b"eval(x  # nosec\n",
    "bad indentation": b"if a:\n        b\n    c\n",
    "only the tokenizer refuses this indentation": b"if a:\r    if b:\n        eval(c)\n    d\n",
    "only the tokenizer refuses this continuation": b"if a:\n\\\n    if b:\n        eval(c)\n    d\n",
    "nosec between carriage returns": b"eval(a)  # nosec\rx = 1\reval(b) # other\nexec(c)\n",
    "empty": b"",
    "no newline at the end": b"eval(x)",
    "separators that str splits at": "a = 1\x0c\u2028\u202e\n".encode().replace(b"\xe2\x80\xa8", b"")
    + "# \u2028 \u202e\n".encode(),
    "the mark stands last": "x = 1\n# \u202e".encode(),
    "warns": b"x = '\\d' is 1\neval(x)\n",
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.filterwarnings("ignore")
def test_hard_bytes_are_judged_as_by_bandit(case: str, listening: Listening) -> None:
    assert listening.ask(HARD[case]) == ask_bandit(HARD[case])


def test_what_is_imported_between_two_calls_counts_for_the_second(listening: Listening) -> None:
    call = "ssh.exec_command(x)\napp.run(debug=True)\nt.extractall()\n"
    data = f"import os\n{call}import paramiko, tarfile\n{call}from flask import app\n{call}".encode()
    seen = listening.ask(data)
    assert seen == ask_bandit(data)
    assert [issue["line_number"] for issue in seen[0]] == [6, 8, 10, 11, 12]


def test_warnings_and_bandits_log_stay_inside(capfd: pytest.CaptureFixture[str]) -> None:
    PLAIN.judge(b"a.py", b"x = '\\d' is 1\neval(x)  # nosec B999\ny = 1  # nosec B101\n")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_shared_tree_gives_the_same_answer_and_keeps_its_structure(
    snippet: str, listening: Listening
) -> None:
    data = (IMPORTS + snippet).encode()
    tree = ast.parse(data)
    before = ast.dump(tree, include_attributes=True)
    first, second = listening.ask(data, tree), listening.ask(data, tree)
    assert first == second == listening.ask(data)
    assert ast.dump(tree, include_attributes=True) == before


def deep_sum(terms: int) -> bytes:
    return b"x = eval(y) + " + b" + ".join([b"password"] * terms) + b"\n"


def deep_elif(branches: int) -> bytes:
    return b"if a: eval(x)\n" + b"elif b: assert c\n" * branches


@pytest.mark.parametrize("make", [deep_sum, deep_elif])
@pytest.mark.parametrize("depth", [150, 199, 200, 201, 600, 2500])
def test_deep_trees_are_judged_as_by_bandit(make: Any, depth: int, listening: Listening) -> None:
    ours, theirs = listening.ask(make(depth)), ask_bandit(make(depth))
    assert ours == theirs
    assert ours[2] == (depth == 2500)


def test_levels_follow_severity() -> None:
    levels = {
        (f.severity, f.level) for s in SNIPPETS for f in PLAIN.judge(b"a.py", (IMPORTS + s).encode()).findings
    }
    assert levels == {("HIGH", Level.ERROR), ("MEDIUM", Level.WARNING), ("LOW", Level.NOTE)}


def test_half_a_surrogate_pair_is_quoted_where_bandits_report_would_die() -> None:
    (finding,) = PLAIN.judge(b"a.py", b"password = '\\ud800'\n").findings
    assert finding.message == "Possible hardcoded password: '\\ud800'"
    assert msgspec.json.decode(msgspec.json.encode(finding), type=Finding) == finding
