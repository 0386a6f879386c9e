"""Which locals are proven to be of one built-in type, and which only look like it."""

import pytest

from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from tests.passes.test_optimize_engine import plain


def prover(kind: str) -> OptimizeEngine:
    rule = plain("probe($X)", None).replace("match = {", f'match = {{ where = ["proven X {kind}"],')
    return OptimizeEngine({"r.toml": rule.encode()}, OptimizeSettings())


PROVERS = {kind: prover(kind) for kind in ("dict", "list", "set", "tuple", "str", "int")}


def proven(body: str, kind: str, head: str = "def f(a, b):") -> bool:
    """Tell whether ``x`` is proven where the last line probes it."""
    code = head + "\n" + "\n".join(f"    {line}" for line in [*body.split("\n"), "probe(x)"]) + "\n"
    verdict = PROVERS[kind].judge(code.encode())
    assert verdict.problem is None, verdict.problem
    return bool(verdict.findings)


YES = [
    ("dict", "x = {}"), ("dict", "x = {**a}"), ("dict", "x = {k: 1 for k in a}"), ("dict", "x = dict(a)"),
    ("dict", "x: dict = {}"), ("dict", "x: dict\nx = {}"), ("dict", "y = x = {}"),
    ("dict", "x = {}\nx = dict()"), ("dict", "if a:\n    x = {}\nelse:\n    x = {1: 2}"),
    ("dict", "x = {}\ndef g():\n    return x"), ("list", "x = []"), ("list", "x = [*a]"),
    ("list", "x = [y for y in a]"), ("list", "x = sorted(a)"), ("list", "x = []\nx += [1]"),
    ("list", "x = list(a)\nx += list(b)"), ("set", "x = {1}"), ("set", "x = set()"),
    ("set", "x = {y for y in a}"), ("tuple", "x = (1, a)"), ("tuple", "x = ()"), ("str", "x = ''"),
    ("str", "x = f'{a}{b}'"), ("str", "x = f'{a}.'"), ("str", "x = ','.join(a)"),
    ("str", "x = ''\nx = x.strip().lower()"), ("str", "x = 'a' + 'b'"), ("str", "x = ''\nx += f'{a},'"),
    ("str", "x = chr(a)"), ("int", "x = 0"), ("int", "x = len(a)"), ("int", "x = 0\nx += 1"),
    ("int", "x = 0\nx = x * 2 + len(a)"), ("int", "x = 1\nx |= 4"), ("int", "for x in range(9): pass"),
    ("int", "x = int(a)"),
]  # fmt: skip
NO = [
    ("dict", "pass"), ("dict", "x = a"), ("dict", "x = {}\nx = a"), ("dict", "x = {}\nx |= a"),
    ("dict", "x = {}\ndel x"), ("dict", "x, y = {}, {}"), ("dict", "x = {1}"),
    ("dict", "x = {}\nfor x in a: pass"), ("dict", "x = {}\nwith a as x: pass"),
    ("dict", "x = {}\ntry: pass\nexcept E as x: pass"), ("dict", "x = {}\nimport x"),
    ("dict", "x = {}\nfrom a import b as x"), ("dict", "x = {}\ndef x(): pass"),
    ("dict", "x = {}\nclass x: pass"), ("dict", "x = {}\n[x for x in a]"), ("dict", "x = {}\nlambda x: x"),
    ("dict", "x = {}\ndef g(x): pass"), ("dict", "x = {}\ndef g():\n    nonlocal x\n    x = a"),
    ("dict", "global x\nx = {}"), ("dict", "x = {}\nmatch a:\n    case x: pass"),
    ("dict", "x = {}\nmatch a:\n    case {**x}: pass"), ("dict", "x = {}\n(x := a)"),
    ("dict", "x = {} if a else b"), ("dict", "x = OrderedDict()"), ("dict", "x = m.dict()"),
    ("dict", "x = a or {}"), ("dict", "x = {}.copy()"), ("dict", "x = {} | a"), ("list", "x = []\nx += a"),
    ("list", "x = [] + a"), ("list", "x = []\nx *= 2"), ("list", "x = []\nx += (1,)"),
    ("set", "x = set()\nx |= {1}"), ("set", "x = frozenset()"), ("tuple", "x = a,\nx += (1,)"),
    ("str", "x = str(a)"), ("str", "x = f'{a}'"), ("str", "x = repr(a)"), ("str", "x = ascii(a)"),
    ("str", "x = a.join(b)"), ("str", "x = ''\nx += a"), ("str", "x = '%s' % a"),
    ("str", "x = '{}'.format(a)"), ("str", "x = b''"), ("str", "x = '' + a"), ("str", "x = a.strip()"),
    ("int", "x = True"), ("int", "x = a + 1"), ("int", "x = 1 / 2"), ("int", "x = 0\nx += a"),
    ("int", "x = 2 ** a"), ("int", "for x in a: pass"), ("int", "x = 1.0"), ("int", "x = round(a)"),
    ("int", "x = sum(a)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), YES)
def test_a_local_that_only_ever_holds_displays_is_proven(kind: str, body: str) -> None:
    assert proven(body, kind)
    assert proven(body, kind, "async def f(a, b):")
    assert not any(proven(body, other) for other in PROVERS if other != kind)


@pytest.mark.parametrize(("kind", "body"), NO)
def test_a_local_that_may_hold_something_else_is_not(kind: str, body: str) -> None:
    assert not proven(body, kind)


@pytest.mark.parametrize(
    "head",
    [
        "if a:",
        "class C:",
        "def f(x):",
        "def f(*x):",
        "def f(a, *, x=1):",
        "try:\n    def f(a): pass\nfinally:",
    ],
)
def test_only_a_local_of_a_function_that_is_no_argument_is_proven(head: str) -> None:
    assert not proven("x = {}", "dict", head)


@pytest.mark.parametrize("binding", ["def dict(): pass", "dict = 1", "from m import *", "import dict"])
def test_a_builtin_that_is_bound_in_the_file_makes_nothing(binding: str) -> None:
    assert not proven("x = dict()", "dict", f"{binding}\ndef f(a):")
    assert proven("x = {}", "dict", f"{binding}\ndef f(a):")


@pytest.mark.parametrize(
    "code",
    ["def f():\n    x = {}\n    def g():\n        probe(x)\n", "def f():\n    x = {}\n    class C:\n        probe(x)\n",
     "def f():\n    x = {}\n@probe(x)\ndef x(): pass\n", "def f(y=probe(x)):\n    x = {}\n",
     "@probe(x)\ndef f():\n    x = {}\n",
     "def f() -> probe(x):\n    x = {}\n", "x = {}\nprobe(x)\n"],
)  # fmt: skip
def test_a_name_read_in_another_scope_is_not_proven(code: str) -> None:
    assert PROVERS["dict"].judge(code.encode()).findings == ()


@pytest.mark.parametrize(
    "use", ["lambda: probe(x)", "[probe(x) for y in a]", "g(y=probe(x))", "f'{probe(x)}'"]
)
def test_a_name_read_in_a_comprehension_or_lambda_is_the_functions(use: str) -> None:
    assert PROVERS["dict"].judge(f"def f(a):\n    x = {{}}\n    return {use}\n".encode()).findings
