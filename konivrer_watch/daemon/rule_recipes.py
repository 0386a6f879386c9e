"""Hostile objects that tell what is done to them, for programs that must behave alike.

Values are drawn as recipes, which are plain data: each program gets objects of its own, made from the same recipe in a
world of its own. What a recipe may say:

=========  ==========================================================================================
``any``    a value: number, NaN, text, None, a list; or an object that logs, lies or raises
``d``      a dict of such values
``f``      a function that logs: returns its argument, swaps one for something else, raises, or lets what is looped
           over grow
``fq``     a function that logs, and returns its argument or raises
``fs``     the same
``itn``    an iterable of numbers
``itp``    an iterable of anything: a list, a generator, something with a length, that grows or raises on the way
``itq``    an iterable of hashable values that log nothing
``its``    an iterable of texts, and now and then of something else
``itu``    an iterable of anything, which has no length to ask for
``n``      an int
``s``      a text
``sep``    a separator: a text, the empty one, or None
=========  ==========================================================================================
"""

from collections.abc import Mapping
from types import CodeType, TracebackType

from konivrer_watch.daemon.rule_probes import (
    Angry,
    Call,
    Denier,
    Items,
    Liar,
    Logged,
    Recipe,
    Secret,
    Sized,
    World,
)

GIVEN = frozenset({"any", "d", "f", "fq", "fs", "itn", "itp", "itq", "its", "itu", "n", "s", "sep"})


class Run:
    """Runs one program in a world of its own. What it raises is its answer, whatever that is."""

    def __init__(self, code: CodeType, recipes: Mapping[str, Recipe]) -> None:
        self.world = World()
        self.raised: str | None = None
        self._names: dict[str, object] = {name: make(self.world, recipe) for name, recipe in recipes.items()}
        self._given = list(recipes)
        self.world.events.clear()
        with self:
            exec(code, self._names)

    def __enter__(self) -> None:
        """Begin to listen."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Take an exception for an answer; what ends a program is none."""
        if kind is None or not issubclass(kind, Exception):
            return False
        self.raised = kind.__name__
        return True

    def answer(self) -> tuple[object, object, object]:
        """Return the result and which of what was given it is, how that looks now, and the events."""
        made = self._names.get("r")
        result = ("raised", self.raised) if self.raised else self.world.describe(made)
        # Which of two equal texts or numbers it is, no program can rely on.
        same = [name for name in self._given if self._names.get(name) is made]
        if isinstance(made, list | dict | set) and same:
            result = ("given", same, result)
        given = [self.world.describe(_content(self._names.get(name))) for name in self._given]
        return result, given, self.world.events


def make(world: World, recipe: Recipe) -> object:
    """Make what a recipe says. A value asked for twice is the same object, so that identity can tell; its recipe may
    end in a number that makes it another.
    """
    kind, *rest = recipe
    if kind in {"items", "call", "dict"}:
        return _make(world, kind, rest)
    if recipe not in world.values:
        world.values[recipe] = world.keep(_make(world, kind, rest))
    return world.values[recipe]


def _make(world: World, kind: object, rest: list[object]) -> object:
    if kind == "items":
        return _items(world, *rest)
    if kind == "dict":
        pairs = [part for part in rest if isinstance(part, tuple)]
        return dict([(make(world, key), make(world, value)) for key, value in pairs])
    if kind == "call":
        mode, turn, other = rest
        made = make(world, other) if isinstance(other, tuple) else None
        return Call(world, str(mode), int(str(turn)), made)
    if kind == "list":
        return [rest[0]]
    if kind == "float":
        return float(str(rest[0]))
    maker = _LOGGED.get(str(kind))
    return maker(world, int(str(rest[0]))) if maker else rest[0]


_LOGGED = {"logged": Logged, "liar": Liar, "denier": Denier, "angry": Angry, "secret": Secret}


def _items(world: World, style: object, boom: object, parts: object) -> object:
    made = [make(world, part) for part in parts] if isinstance(parts, tuple) else []
    if style == "list":
        world.growing.append(made)
        return made
    if style == "tuple":
        return tuple(made)
    if style == "none":
        return None
    items = (Sized if style == "sized" else Items)(world, made, int(str(boom)))
    world.growing.append(items.items)
    return iter(items) if style == "iterator" and boom != -2 else items


def _content(value: object) -> object:
    return value.items if isinstance(value, Items) else value
