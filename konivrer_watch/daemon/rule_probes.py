"""Hostile objects that log what is done to them, in a world of one run."""

from collections.abc import Iterator
from typing import TypeAlias

# A recipe: plain data, at its head what to make of the rest.
Recipe: TypeAlias = tuple[object, ...]


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
