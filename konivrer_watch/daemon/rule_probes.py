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

from collections.abc import Iterator, Mapping
from types import CodeType, TracebackType
from typing import TypeAlias

# A recipe: plain data, at its head what to make of the rest.
Recipe: TypeAlias = tuple[object, ...]

GIVEN = frozenset({"any", "d", "f", "fq", "fs", "itn", "itp", "itq", "its", "itu", "n", "s", "sep"})


class ProbeError(Exception):
    """What a probe raises where its recipe says so. Never StopIteration: rules declare how they differ there."""


class World:
    """The objects of one run, and the events in their order."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.growing: list[list[object]] = []
        self.made: list[object] = []
        self.values: dict[Recipe, object] = {}
        self._numbers: dict[int, int] = {}

    def log(self, *event: object) -> None:
        """Note what happened."""
        self.events.append(event)

    def keep(self, value: object) -> object:
        """Number an object, so that it is the same one only where it is identical."""
        if not isinstance(value, int | str | None):
            self._numbers.setdefault(id(value), len(self.made))
            self.made.append(value)
        return value

    def describe(self, value: object) -> object:
        """Return a value's type and content as plain data, asking the value nothing."""
        kind = type(value).__name__
        if isinstance(value, list | tuple):
            return (kind, [self.describe(part) for part in value])
        if isinstance(value, set | frozenset):
            return (kind, sorted([repr(self.describe(part)) for part in value]))
        if isinstance(value, dict):
            return (kind, [(self.describe(key), self.describe(part)) for key, part in value.items()])
        if isinstance(value, int | str | bytes | None):
            return (kind, repr(value))
        return (kind, self._numbers.get(id(value), repr(value) if isinstance(value, float) else "new"))


class Logged:
    """Compares, adds and hashes as its number does, and logs each time; hashes collide."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._number = number

    def _number_of(self, other: object) -> int:
        return other._number if isinstance(other, Logged) else 0

    def __eq__(self, other: object) -> bool:
        self._world.log("eq", self._number, type(other).__name__, self._number_of(other))
        return isinstance(other, Logged) and self._number == other._number

    def __lt__(self, other: object) -> bool:
        self._world.log("lt", self._number, type(other).__name__, self._number_of(other))
        if not isinstance(other, Logged):
            raise ProbeError("lt")
        return self._number < other._number

    def __hash__(self) -> int:
        self._world.log("hash", self._number)
        return self._number % 2

    def __bool__(self) -> bool:
        self._world.log("bool", self._number)
        return self._number > 0


class Liar(Logged):
    """Equals everything."""

    def __eq__(self, other: object) -> bool:
        self._world.log("lie", self._number)
        return True

    __hash__ = Logged.__hash__


class Denier(Logged):
    """Equals nothing, not even itself."""

    def __eq__(self, other: object) -> bool:
        self._world.log("deny", self._number)
        return False

    __hash__ = Logged.__hash__


class Angry(Logged):
    """Raises where it is compared."""

    def __eq__(self, other: object) -> bool:
        self._world.log("rage", self._number)
        raise ProbeError("eq")

    __hash__ = Logged.__hash__


class Secret(Logged):
    """Raises where it is hashed."""

    def __hash__(self) -> int:
        self._world.log("refuse", self._number)
        raise ProbeError("hash")


class Items:
    """Iterates over a list that may grow meanwhile, logs each step, and may raise at one of them."""

    def __init__(self, world: World, items: list[object], boom: int) -> None:
        self._world = world
        self.items = items
        self._boom = boom

    def __iter__(self) -> Iterator[object]:
        self._world.log("iter")
        if self._boom == -2:
            raise ProbeError("iter")
        return self._walk()

    def _walk(self) -> Iterator[object]:
        for index, item in enumerate(self.items):
            if index == self._boom:
                self._world.log("boom", index)
                raise ProbeError("next")
            self._world.log("next", index)
            yield item
        self._world.log("stop")


class Sized(Items):
    """Tells its length, and logs that."""

    def __len__(self) -> int:
        self._world.log("len")
        return len(self.items)


class Call:
    """Logs each call, and does what its mode says at one of them."""

    def __init__(self, world: World, mode: str, turn: int, other: object) -> None:
        self._world = world
        self._mode = mode
        self._turn = turn
        self._other = other
        self._count = 0

    def __call__(self, argument: object) -> object:
        """Do what the recipe says."""
        count, self._count = self._count, self._count + 1
        self._world.log("call", count, self._world.describe(argument))
        if count != self._turn:
            return argument
        if self._mode == "raise":
            raise ProbeError("call")
        if self._mode == "grow":
            for items in self._world.growing:
                items.append(argument)
        return self._other if self._mode == "swap" else argument


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
