"""Mutated real code: never an exception, never an edit that is not proven, never a match that a short cut misses."""

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.core.model import Safety
from konivrer_watch.passes.optimize.nodes import walk
from konivrer_watch.passes.optimize.rewriting import rewrite
from konivrer_watch.passes.optimize.scope import File
from konivrer_watch.passes.optimize.source import Source
from tests.passes.mutation import modules, mutated
from tests.passes.pack import engine
from tests.passes.test_optimize_edits import comments_of

ENGINE = engine()
SEEDS = st.integers(0, 1 << 40)


def mentions_differ(text: str) -> list[str]:
    """Return the names whose mentions the short cut by spelled words does not find as a walk of everything does."""
    source = Source(text)
    file = File(source, source.parse())
    named: dict[str, set[int]] = {}
    for trail in walk((file.tree, None), {ast.Name, ast.arg, ast.FunctionDef, ast.ClassDef}):
        node = trail[0]
        name = str(getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "name", None))
        named.setdefault(name, set()).add(id(node))
    return [
        name
        for name, nodes in named.items()
        if not nodes <= {id(found.node) for found in file.mentions(name)}
    ]


def test_mutants_parse_often_enough_to_be_a_test() -> None:
    def parsed(text: str) -> bool:
        return ENGINE.judge(text.encode()).problem is None

    mutants = [mutated(seed) for seed in range(200)]
    assert sum([parsed(text) for text in mutants]) > 80
    assert sum([len(ENGINE.judge(text.encode()).findings) for text in mutants]) > 20


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_a_mutant_is_judged_and_each_edit_of_it_is_proven(seed: int) -> None:
    data = mutated(seed).encode("utf-8", "surrogatepass")
    verdict = ENGINE.judge(data)
    done = rewrite(ENGINE, data, tuple(Safety))
    if verdict.problem is not None:
        assert (done.data, done.refusal) == (data, verdict.problem.message)
        return
    assert done.refusal is None
    ast.parse(done.data)
    assert comments_of(done.data.decode()) == comments_of(data.decode())
    again = [found for found in ENGINE.judge(done.data).findings if found.fix is not None]
    assert again == []


def test_looking_for_names_where_they_are_spelled_misses_none_in_real_modules() -> None:
    for text in modules()[::6]:
        assert mentions_differ(text) == []


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_looking_for_names_where_they_are_spelled_misses_none_in_mutants(seed: int) -> None:
    text = mutated(seed)
    if ENGINE.judge(text.encode()).problem is None:
        assert mentions_differ(text) == []
