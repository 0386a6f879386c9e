"""Probes are the same each time they are made from one recipe, and tell what is done to them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.daemon.rule_equivalence import STRATEGIES
from konivrer_watch.daemon.rule_probes import Recipe
from konivrer_watch.daemon.rule_recipes import GIVEN, Run

PROGRAMS = [
    "r = list(x)", "r = sorted(x)", "r = {x: x}", "r = x == x", "r = [y for y in x]", "r = x(1)", "r = x + x",
    "r = set(x)", "r = x.split(',')", "r = ','.join(x)", "del r", "x = 1", "r = x.items()",
]  # fmt: skip


def run(program: str, recipe: Recipe) -> tuple[object, object, object]:
    return Run(compile(program, "program", "exec"), {"x": recipe}).answer()


def test_every_kind_of_input_can_be_drawn() -> None:
    assert set(STRATEGIES) == set(GIVEN)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PROGRAMS), st.sampled_from(sorted(GIVEN)).flatmap(lambda kind: STRATEGIES[kind]))
def test_one_program_answers_alike_in_every_world(program: str, recipe: Recipe) -> None:
    assert run(program, recipe) == run(program, recipe)


def test_an_answer_is_result_state_and_events() -> None:
    items: Recipe = ("items", "items", -1, (("int", 1), ("logged", 2, 0)))
    result, given_, events = run("r = sorted(x)", items)
    assert result == ("raised", "ProbeError")
    assert given_ == [("list", [("int", "1"), ("Logged", 0)])]
    assert events == [("iter",), ("next", 0), ("next", 1), ("stop",), ("lt", 2, "int", 0)]


def test_what_a_program_raises_is_its_answer() -> None:
    assert run("r = 1 / 0", ("none", None))[0] == ("raised", "ZeroDivisionError")
    assert run("raise StopIteration", ("none", None))[0] == ("raised", "StopIteration")


def test_one_recipe_is_one_object_and_another_copy_is_another() -> None:
    nan: Recipe = ("float", "nan", 0)
    assert run("r = x[0] is x[1]", ("items", "list", -1, (nan, nan)))[0] == ("bool", "True")
    assert run("r = x[0] is x[1]", ("items", "list", -1, (nan, ("float", "nan", 1))))[0] == ("bool", "False")


def test_liars_deniers_the_angry_and_the_secret_do_as_they_are_called() -> None:
    def answer(program: str, kind: str) -> object:
        return run(program, (kind, 1, 0))[0]

    assert answer("r = x == 5", "liar") == ("bool", "True")
    assert answer("r = x == x", "denier") == ("bool", "False")
    assert answer("r = x == x", "angry") == ("raised", "ProbeError")
    assert answer("r = {x}", "secret") == ("raised", "ProbeError")


def test_what_is_looped_over_may_grow_on_the_way() -> None:
    names: dict[str, Recipe] = {
        "x": ("items", "items", -1, (("int", 1), ("int", 2))),
        "f": ("call", "grow", 0, ("none", None)),
    }
    result, _, _ = Run(compile("r = [f(y) for y in x]", "program", "exec"), names).answer()
    assert result == ("list", [("int", "1"), ("int", "2"), ("int", "1")])
