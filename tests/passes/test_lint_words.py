"""Which modules a file can import, against Python's own parser."""

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.passes.lint.words import import_words, may_silence

NAMES = st.sampled_from(["a", "os", "importer", "x1", "_p", "from_", "ñandú", "ﬁ", "as_"])
DOTTED = st.builds(
    lambda parts, dot: dot.join(parts),
    st.lists(NAMES, min_size=1, max_size=3),
    st.sampled_from([".", " . ", ".\\\n", "\t."]),
)
GAPS = st.sampled_from([" ", "  ", "\t", " \\\n ", "\x0c "])
ALIASED = st.builds(
    lambda dotted, alias, gap: f"{dotted}{gap}as{gap}{alias}" if alias else dotted,
    DOTTED,
    st.none() | NAMES,
    GAPS,
)
PLAIN = st.builds(
    lambda gap, names, comma: f"import{gap}{comma.join(names)}",
    GAPS,
    st.lists(ALIASED, min_size=1, max_size=3),
    st.sampled_from([",", " , ", ", \\\n"]),
)
TAKEN = st.sampled_from(["b", "b as c", "(b, c)", "(\n    b,\n    # import z\n)", "*"])
FROM = st.builds(lambda gap, module, taken: f"from{gap}{module}{gap}import{gap}{taken}", GAPS, DOTTED, TAKEN)
RELATIVE = st.builds(
    lambda dots, module, taken: f"from {dots}{module} import {taken}",
    st.sampled_from([".", "..", ". .", "..."]),
    st.just("") | DOTTED,
    TAKEN,
)
STATEMENTS = st.lists(PLAIN | FROM | RELATIVE | st.just("x = 1"), min_size=1, max_size=6)


def imported(source: str) -> set[bytes]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return {name.encode() for name in names}


@given(STATEMENTS, st.sampled_from(["\n", ";", "\r\n"]))
def test_every_imported_module_is_among_the_words(statements: list[str], separator: str) -> None:
    source = separator.join(statements)
    try:
        expected = imported(source)
    except SyntaxError:
        return
    assert expected <= set(import_words(source.encode(), b"m.py"))


@given(STATEMENTS)
def test_a_notebook_yields_the_words_of_its_cells(statements: list[str]) -> None:
    source = "\n".join(statements)
    cells = [
        {"cell_type": "code", "source": source.splitlines(keepends=True)},
        {"cell_type": "code", "source": "import last"},
        {"cell_type": "markdown", "source": []},
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}}).encode()
    assert set(import_words(notebook, b"n.ipynb")) == {*import_words(source.encode(), b"m.py"), b"last"}


@given(st.binary())
def test_any_bytes_have_words(data: bytes) -> None:
    for path in (b"m.py", b"n.ipynb"):
        words = import_words(data, path)
        assert list(words) == sorted(set(words))
        assert all(word and b" " not in word for word in words)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"from a import b, c", (b"a",)),
        (b"from .a import b", ()),
        (b"from . import b", ()),
        (b"from .a.b import (c,\n d)\nimport e", (b"e",)),
        (b"if x: import a;import b.c", (b"a", b"b.c")),
        (b"reimport x\nfroma import y", (b"y",)),
        (b"important = 1", ()),
        (b"yield_from = x", ()),
    ],
)
def test_words_are_few(source: bytes, words: tuple[bytes, ...]) -> None:
    assert import_words(source, b"m.py") == words


@pytest.mark.parametrize("comment", [b"# noqa", b"#NOQA:F401", b"# ruff: noqa", b"# ruff:disable[F401]"])
def test_a_comment_that_silences_is_noticed(comment: bytes) -> None:
    assert may_silence(b"import os  " + comment)
    assert not may_silence(b"import os  # why")
