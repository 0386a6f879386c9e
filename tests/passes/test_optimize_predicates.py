"""What the vocabulary of ``where`` lets through and what it holds back."""

import sys

import pytest

from tests.passes.test_optimize_edits import ENGINE

HIT = "r = tuple(x for x in xs)\n"


def codes(code: str) -> list[str]:
    return [finding.code for finding in ENGINE.judge(code.encode()).findings]


@pytest.mark.parametrize(
    "binding",
    ["tuple = 1", "def tuple(): pass", "async def tuple(): pass", "class tuple: pass", "import tuple",
     "import a as tuple", "import tuple.x", "from a import tuple", "from a import *", "for tuple in a: pass",
     "with a as tuple: pass", "def f(tuple): pass", "lambda *tuple: 0", "lambda *, tuple: 0", "(tuple := 1)",
     "try: pass\nexcept A as tuple: pass", "def f():\n    global tuple", "del tuple", "a, (*tuple, b) = c",
     "match a:\n    case tuple: pass", "match a:\n    case [*tuple]: pass",
     "match a:\n    case {**tuple}: pass", "[0 for tuple in a]", "tuple: int", "tuple += 1"],
)  # fmt: skip
def test_a_name_bound_anywhere_in_the_file_is_no_builtin(binding: str) -> None:
    assert codes(f"{binding}\n{HIT}") == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type statements and parameters came with Python 3.12")
@pytest.mark.parametrize(
    "binding",
    ["type tuple = int", "def f[tuple](): pass", "class A[*tuple]: pass", "def f[**tuple](): pass"],
)
def test_a_name_bound_by_type_syntax_is_no_builtin(binding: str) -> None:
    assert codes(f"{binding}\n{HIT}") == []


@pytest.mark.parametrize(
    "name", ["locals", "vars", "dir", "eval", "exec", "super", "_getframe", "currentframe", "stack",
             "next", "anext", "__next__", "send", "throw", "StopIteration"]
)  # fmt: skip
def test_what_looks_at_the_frame_or_stops_an_iteration_is_left_alone(name: str) -> None:
    for use in (f"{name}(x)", f"m.{name}(x)", f"(lambda: {name})"):
        assert codes(f"r = tuple({use} for x in xs)") == []


@pytest.mark.parametrize("use", ["a.tuple = 1", "import a.tuple", "f(tuple=1)", "import tuple as t", "tuple"])
def test_a_name_that_is_only_mentioned_stays_the_builtin(use: str) -> None:
    assert codes(f"{use}\n{HIT}") == ["OPT102"]
