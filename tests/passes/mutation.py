"""Pieces of real modules, damaged as hands and merges damage them: lines gone, doubled, put in, calls wrapped."""

import ast
import random
import re
import sysconfig
import textwrap
from functools import cache
from pathlib import Path

_WORDS = re.compile(
    r"\b(?:tuple|set|list|sorted|join|dict|keys|update|extend|append|for|in|if|not|x|self|\d+)\b"
)
_CALL = re.compile(r"\(([^()]*)\)")
_INSERTS = (
    "tuple(x for x in xs)", "# comment", "f'{set(x for x in y)}'", "','.join(str(x) for x in xs)", "d.keys()",
    "\f", "\\\n", "dict((k, v) for k, v in xs)", "sorted(list(xs), key=k)", "(", ")", "'''", "await x", "yield",
    "r = []\nfor x in xs:\n    r.append(x)\n", "lambda: ", "\u00e9", "*", "**", ",", "x := ", "async ", "global x\n",
    "d = {}\nd.update({k: v})\n", "for i in range(len(x)):\n    x[i]\n", "s += f'{x}'", "if k in d.keys(): pass",
)  # fmt: skip


@cache
def modules() -> tuple[str, ...]:
    """Return the standard library's own modules that are neither tiny nor huge."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [file.read_text("utf-8") for file in files if 2_000 < file.stat().st_size < 60_000]
    assert len(texts) > 50
    return tuple(texts)


@cache
def functions() -> tuple[str, ...]:
    """Return their functions and methods, at the margin."""
    found: list[str] = []
    for text in modules():
        lines = text.splitlines(keepends=True)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                found.append(textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])))
    return tuple(found)


def mutated(seed: int) -> str:
    """Return one to three functions, mutated by a chance that the seed decides."""
    chance = random.Random(seed)
    lines = "".join([chance.choice(functions()) for _ in range(chance.randint(1, 3))]).splitlines(
        keepends=True
    )
    for _ in range(chance.randint(0, 3)):
        _mutate(chance, lines, chance.randrange(len(lines)))
    return "".join(lines).replace("\n", chance.choice(["\n", "\n", "\n", "\r\n", "\r"]))


def _mutate(chance: random.Random, lines: list[str], place: int) -> None:
    kind = chance.randrange(9)
    if kind > 4:
        place = chance.choice([index for index, line in enumerate(lines) if _CALL.search(line)] or [place])
    line = lines[place]
    if kind == 0:
        lines[place] = "\n"
    elif kind == 1:
        lines.insert(place, chance.choice(lines))
    elif kind == 2:
        column = chance.randrange(len(line))
        lines[place] = line[:column] + chance.choice(_INSERTS) + line[column:]
    elif kind == 3:
        lines[place] = _WORDS.sub(
            lambda _: chance.choice(["tuple", "x", "list", "sorted", "join", "1"]), line, count=1
        )
    elif kind == 4:
        indent = line[: len(line) - len(line.lstrip())]
        lines.insert(place, "".join([f"{indent}{part}\n" for part in chance.choice(_INSERTS).splitlines()]))
    else:
        put = chance.choice(["tuple", "set", "list", "','.join", "sorted", "dict", "frozenset", "sum"])
        clauses = chance.choice(["for x in xs", "for x in xs if x", "for x in y for z in x"])
        lines[place] = _CALL.sub(lambda found: f"({put}({found[1] or 'x'} {clauses}))", line)
