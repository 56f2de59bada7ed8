"""Dimensions of listed values: unordered, ordered, and one alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from populace._errors import SpaceError
from populace.space._dimension import Dimension, Scale, unit
from populace.space._factors import DEFAULT_FACTORS, SHARE_OF_RANGE, Factors, draw_move, round_by_chance
from populace.space._value import Value, as_number, plain, same


@dataclass(frozen=True, repr=False)
class Listed(Dimension):
    """Several values, drawn evenly; in the unit interval each has an equal share, in the order given.

    Attributes:
        values: The possible values, each once; 1 and 1.0 are the same value, 1 and True are not.
    """

    values: Sequence[Value]

    @property
    @abstractmethod
    def _fewest(self) -> int:
        """How many values there must be."""

    def _settle(self) -> None:
        if isinstance(self.values, str) or not isinstance(self.values, Sequence):
            raise SpaceError(f"`values` must be a list, but got {self.values!r}: write [value, value, ...]")
        values = tuple(plain(value) for value in self.values)
        if len(values) < self._fewest:
            raise SpaceError(
                f"`values` must hold at least {self._fewest}, but got {list(values)!r}: "
                "add values, or use Constant(value) for a single one"
            )
        for index, value in enumerate(values):
            if any(same(value, other) for other in values[:index]):
                raise SpaceError(f"`values` must be unique, but got {list(values)!r}: remove the second {value!r}")
        object.__setattr__(self, "values", values)

    def _arguments(self) -> dict[str, object]:
        return {"values": list(self.values)}

    @property
    def scale(self) -> Scale:
        return "none"

    @property
    def domain(self) -> str:
        return f"one of {list(self.values)!r}"

    def sample(self, generator: np.random.Generator) -> Value:
        return self.values[int(generator.integers(len(self.values)))]

    def contains(self, value: object) -> bool:
        return self._find(value) is not None

    def to_unit(self, value: Value) -> float:
        return (self._index(self.clip(value)) + 0.5) / len(self.values)

    def from_unit(self, place: float) -> Value:
        return self.values[min(int(unit(place) * len(self.values)), len(self.values) - 1)]

    def _find(self, value: object) -> int | None:
        """Returns the place of `value` in the list, None when it is not there."""
        try:
            wanted = plain(value)
        except SpaceError:
            return None
        return next((index for index, known in enumerate(self.values) if same(known, wanted)), None)

    def _index(self, value: Value) -> int:
        index = self._find(value)
        if index is None:
            raise SpaceError(
                f"there is no value of {self!r} nearest to {value!r}: use one of its values, or draw a new one"
            )
        return index


@final
@dataclass(frozen=True, repr=False)
class Choice(Listed):
    """Unordered values. Perturbing draws evenly among *all* of them: with nothing nearer, a fresh draw is the change.

    Attributes:
        values: The possible values, each once.

    >>> Choice(["relu", "tanh"]).contains("gelu")
    False
    """

    @property
    def _fewest(self) -> int:
        return 1

    def perturb(self, value: Value, generator: np.random.Generator, factors: Factors = DEFAULT_FACTORS) -> Value:
        return self.sample(generator)

    def move(self, value: Value, generator: np.random.Generator, stride: float) -> Value:
        current = self.clip(value)
        changes = generator.random() < min(1.0, stride / 2) and len(self.values) > 1
        if not changes:
            return current
        others = [other for other in self.values if not same(other, current)]
        return others[int(generator.integers(len(others)))]

    def clip(self, value: Value) -> Value:
        return self.values[self._index(value)]


@final
@dataclass(frozen=True, repr=False)
class Ordinal(Listed):
    """Ordered values. Perturbing steps to a neighbour, either way evenly, and stops at the ends; it never wraps.

    Attributes:
        values: The possible values in order, at least two, each once. Any order will do; numbers need not be sorted.

    >>> sorted({Ordinal([16, 32, 64]).perturb(64, np.random.default_rng(seed)) for seed in range(9)})
    [32, 64]
    """

    @property
    def _fewest(self) -> int:
        return 2

    def perturb(self, value: Value, generator: np.random.Generator, factors: Factors = DEFAULT_FACTORS) -> Value:
        target = self._index(self.clip(value)) + (1 if generator.integers(2) else -1)
        return self.values[min(max(target, 0), len(self.values) - 1)]

    def move(self, value: Value, generator: np.random.Generator, stride: float) -> Value:
        move = draw_move(stride, generator) * SHARE_OF_RANGE * (len(self.values) - 1)
        target = round_by_chance(self._index(self.clip(value)) + move, generator)
        return self.values[min(max(target, 0), len(self.values) - 1)]

    def clip(self, value: Value) -> Value:
        """Returns `value`, or the nearest number when every possible value is a number."""
        numbers = [number for number in map(as_number, self.values) if number is not None]
        wanted = as_number(value)
        if self.contains(value) or wanted is None or len(numbers) < len(self.values):
            return self.values[self._index(value)]
        return min(numbers, key=lambda number: abs(number - wanted))


@final
@dataclass(frozen=True, repr=False)
class Constant(Dimension):
    """One value that never changes, kept with the others so that a log tells the whole setting.

    Attributes:
        value: The value.

    >>> Constant(3).perturb(3, np.random.default_rng(0))
    3
    """

    value: Value

    def _settle(self) -> None:
        object.__setattr__(self, "value", plain(self.value))

    def _arguments(self) -> dict[str, object]:
        return {"value": self.value}

    @property
    def scale(self) -> Scale:
        return "none"

    @property
    def domain(self) -> str:
        return repr(self.value)

    def sample(self, generator: np.random.Generator) -> Value:
        return self.value

    def perturb(self, value: Value, generator: np.random.Generator, factors: Factors = DEFAULT_FACTORS) -> Value:
        return self.value

    def move(self, value: Value, generator: np.random.Generator, stride: float) -> Value:
        return self.value

    def clip(self, value: Value) -> Value:
        return self.value

    def contains(self, value: object) -> bool:
        try:
            return same(plain(value), self.value)
        except SpaceError:
            return False

    def to_unit(self, value: Value) -> float:
        return 0.5

    def from_unit(self, place: float) -> Value:
        return self.value
