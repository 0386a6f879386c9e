"""Deep and large files: the whole pack judges them without an error, in a time that grows as they do."""

import time

import pytest

from konivrer_watch.passes.optimize.rewriting import rewrite
from tests.passes.pack import engine

ENGINE = engine()


def nested(line: str, depth: int, body: str) -> str:
    return "".join([f"{' ' * level}{line}\n" for level in range(depth)]) + f"{' ' * depth}{body}\n"


def chained(part: str, count: int, by: str) -> str:
    return by.join([part] * count)


TEXTS = chained("'b'", 2000, " + ")
DEEP = [
    f"for x in xs:\n    s += {TEXTS}\n",
    "for x in xs:\n    s += " + "'b' + (" * 80 + "'b'" + ")" * 80 + "\n",
    f"def f(x):\n    s = ''\n    s = s{'.strip()' * 800}\n    return ''.join(reversed(s))\n",
    f"def f(x):\n    s = {TEXTS}\n    return ''.join(reversed(s))\n",
    f"def f(x):\n    n = {chained('2', 2000, ' * ')}\n    return bin(n).count('1')\n",
    "r = " + chained("s.startswith('a')", 2000, " or ") + "\n",
    f"r = {chained('tuple(x for x in y)', 1500, '+')}\n",
    nested("for x in xs:", 19, "tuple(x for x in y)"),
    nested("def f(x):", 80, "tuple(x for x in y)"),
    f"r = {'[' * 90}x{']' * 90}\n",
    f"r = {'sorted(list(' * 45}x{'))' * 45}\n",
    f"r = x{'[0]' * 900}\n",
    f"for {'(' * 90}x{',)' * 90} in xs:\n    y\n",
    f"r = {'x if y else ' * 90}z\n",
    f"r = {chained('a', 900, '.')}\n",
]  # fmt: skip


@pytest.mark.parametrize("code", DEEP, ids=range(len(DEEP)))
def test_deep_code_is_judged(code: str) -> None:
    assert ENGINE.judge(code.encode()).problem is None
    assert rewrite(ENGINE, code.encode()).refusal is None


LARGE = {
    "calls": ("def f(y):\n", "    r = tuple(x for x in y), sorted(list(y)), set(x for x in y)\n", ""),
    "dicts": ("def f(k):\n    d = {}\n", "    d.update({k: k}); k in d.keys()\n", ""),
    "lists": ("def f(x):\n    l = []\n", "    l.extend([x])\n", ""),
    "loops": ("", "def f(xs):\n    r = []\n    for x in xs:\n        r.append(x)\n    return r\n", ""),
    "loops in one function": (
        "def f(xs):\n    tuple(x for x in xs)\n",
        "    r = []\n    for x in xs:\n        r.append(x)\n",
        "",
    ),
    "counts": ("def f(xs):\n", "    for i, x in enumerate(xs):\n        x\n", ""),
    "items": ("def f(d):\n", "    for k, v in d.items():\n        v\n", ""),
    "texts": ("def f(xs):\n    s = t = ''\n    for x in xs:\n", "        s += f'{x}'\n", ""),
    "indices": ("def f(xs):\n", "    for i in range(len(xs)):\n        xs[i]\n", ""),
    "one loop": ("for x in xs:\n", "    re.match('a', x)\n", ""),
    "functions": ("", "def f(k):\n    d = {}\n    d.update({k: 'é'})\n", ""),
    "reversed": ("def f(x):\n    s = ','.join(x)\n", "    r = ''.join(reversed(s))\n", ""),
}


@pytest.mark.parametrize("kind", LARGE)
def test_the_time_grows_as_the_file_does(kind: str) -> None:
    head, line, tail = LARGE[kind]

    def seconds(count: int) -> float:
        data = (head + line * count + tail).encode()
        started = time.process_time()
        verdict = ENGINE.judge(data)
        assert verdict.problem is None
        assert verdict.findings
        return time.process_time() - started

    small = min(seconds(300), seconds(300))
    # Quadratic growth takes 64 times as long, each time; a busy machine does so now and then.
    assert any(seconds(2400) < 24 * small + 0.1 for _ in range(3))
