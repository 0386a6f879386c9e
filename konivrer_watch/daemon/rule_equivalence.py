"""Tries to tell two programs apart by hostile input. It needs hypothesis, and executes rule code.

Only ever for the rules that ship with us, on request, in a child process: see ``rule_child``.
"""

import warnings
from collections.abc import Mapping

import msgspec
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from konivrer_watch.daemon.rule_probes import Recipe
from konivrer_watch.daemon.rule_recipes import GIVEN, Run
from konivrer_watch.passes.optimize.document import Equivalence

_Drawn = st.SearchStrategy[Recipe]


class Refutation(msgspec.Struct, frozen=True):
    """The smallest input that tells two programs apart, and what of their answers differs.

    ``differs`` is ``result``, ``mutation`` or ``events``; ``before`` and ``after`` are that part of each answer.
    """

    inputs: str
    differs: str
    before: str
    after: str


def refute(equivalence: Equivalence, max_examples: int | None = None) -> Refutation | None:
    """Return what tells the two programs apart; ``None`` where nothing did in so many examples.

    ``ValueError`` names what cannot be drawn, and a program that does not compile.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before = compile(equivalence.before, "before", "exec")
            after = compile(equivalence.after, "after", "exec")
    except SyntaxError as error:
        raise ValueError(f"equivalence.{error.filename}: {error.msg}") from error
    for name, kind in equivalence.given.items():
        if kind not in GIVEN:
            raise ValueError(f"equivalence.given.{name}: {kind!r} is none of {', '.join(sorted(GIVEN))}")

    def differ(recipes: Mapping[str, Recipe]) -> bool:
        return Run(before, recipes).answer() != Run(after, recipes).answer()

    try:
        found = find(
            st.fixed_dictionaries({name: STRATEGIES[kind] for name, kind in equivalence.given.items()}),
            differ,
            settings=settings(
                max_examples=max_examples or equivalence.max_examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except NoSuchExample:
        return None
    one, other = Run(before, found).answer(), Run(after, found).answer()
    index = next(index for index in range(3) if one[index] != other[index])
    differs = ("result", "mutation", "events")[index]
    return Refutation(repr(found), differs, repr(one[index]), repr(other[index]))


def _tagged(tag: str, parts: st.SearchStrategy[object]) -> _Drawn:
    return parts.map(lambda part: (tag, part))


_numbers = st.integers(-2, 3)
# Few letters, so that separators meet, overlap and repeat.
_ALPHABETS = ("ab", "a,", "a \n", "ab, \u00e9")
_copies = st.integers(0, 1)
_quiet_numbers: _Drawn = st.one_of(
    _tagged("int", _numbers),
    st.tuples(st.just("float"), st.sampled_from(["nan", "0.5", "-0.0", "2.0"]), _copies),
    _tagged("bool", st.booleans()),
)
_texts: _Drawn = _tagged("text", st.text("ab,\u00e9 ", max_size=4))
_nothing: _Drawn = st.just(("none", None))
_quiet: _Drawn = st.one_of(_quiet_numbers, _texts, _nothing, _tagged("tuple", st.tuples(_numbers)))
_kinds = st.sampled_from(["logged", "liar", "denier", "angry", "secret"])
_any: _Drawn = st.one_of(
    _quiet,
    st.tuples(st.just("list"), _numbers),
    st.tuples(_kinds, _numbers),
    st.tuples(st.just("logged"), _numbers),
)
_keys: _Drawn = st.one_of(_quiet, st.tuples(st.sampled_from(["logged", "liar", "denier"]), _numbers, _copies))
_styles = ["items", "iterator", "list", "tuple", "none"]


def _iterable(parts: _Drawn, styles: list[str]) -> _Drawn:
    listed = st.lists(parts, max_size=5).map(tuple)
    return st.tuples(st.just("items"), st.sampled_from(styles), st.integers(-2, 5), listed)


def _function(modes: list[str], others: _Drawn) -> _Drawn:
    return st.tuples(st.just("call"), st.sampled_from(modes), st.integers(-1, 4), others)


STRATEGIES: Mapping[str, _Drawn] = {
    "any": _any,
    "d": st.lists(st.tuples(_keys, _any), max_size=4).map(lambda pairs: ("dict", *pairs)),
    "f": _function(["raise", "swap", "grow"], _any),
    "fq": _function(["raise"], _nothing),
    "fs": _function(["raise"], _nothing),
    "itn": _iterable(_quiet_numbers, ["sized", *_styles]),
    "itp": _iterable(_any, ["sized", *_styles]),
    "itq": _iterable(_quiet, ["sized", *_styles]),
    "its": _iterable(st.one_of(_texts, _texts, _texts, _nothing, _any), ["sized", *_styles]),
    "itu": _iterable(_any, _styles),
    "n": _tagged("int", st.one_of(st.integers(-5, 5), st.integers())),
    "s": _tagged(
        "text",
        st.one_of(
            *[st.text(of, max_size=8) for of in ("ab", "a,", "a \n", "ab, \u00e9")], st.text(max_size=8)
        ),
    ),
    "sep": st.one_of(_nothing, _tagged("text", st.sampled_from(["", ",", "a", "aa", "ab", " ", "\n"]))),
}
