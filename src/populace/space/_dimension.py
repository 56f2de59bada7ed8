"""What every dimension of a search space can do: draw, change, bound and describe its own values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from populace._errors import SpaceError
from populace.space._factors import DEFAULT_FACTORS, Factors
from populace.space._value import Value, show
from populace.space._when import Conditions, When

Scale: TypeAlias = Literal["linear", "log", "complement", "none"]
"""How an axis shows a dimension: evenly, by log(x), by log(1 - x), or as unordered or listed values."""


@dataclass(frozen=True, repr=False)
class Dimension(ABC):
    """One hyperparameter's possible values, and how they are drawn and changed.

    Every value returned is a plain Python value inside the bounds. Randomness comes from the generator alone.

    Attributes:
        when: Conditions on other dimensions under which this one is in force; None: always. A mapping of a
            parent's name to the value or values that allow it; it is kept as a `When`.
    """

    when: Conditions | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", When.of(self.when))
        self._settle()

    @property
    @abstractmethod
    def scale(self) -> Scale:
        """How a plot's axis shows this dimension."""

    @property
    @abstractmethod
    def domain(self) -> str:
        """The possible values in words: "a number in [0, 1]"."""

    @abstractmethod
    def sample(self, generator: np.random.Generator) -> Value:
        """Returns a draw from the prior."""

    @abstractmethod
    def perturb(self, value: Value, generator: np.random.Generator, factors: Factors = DEFAULT_FACTORS) -> Value:
        """Returns `value` after one small random change; a value out of bounds is clipped first.

        Args:
            value: Where to start from.
            generator: Which way to go.
            factors: What numbers are multiplied by; a dimension's own `factors` win.
        """

    @abstractmethod
    def move(self, value: Value, generator: np.random.Generator, stride: float) -> Value:
        """Returns `value` after a random move either way, of about `stride`; a value out of bounds is clipped first.

        A stride of 1 multiplies or divides a number on a log scale by e, moves one on a linear scale by a quarter of
        the range, and changes an unordered choice with probability 1/2. Whole numbers and ordered values stay or move
        by chance, so that they move as far on average. Where a dimension has `factors` of its own, they are used.

        Args:
            value: Where to start from.
            generator: Which way to go, and how far.
            stride: Typical length, above 0.
        """

    @abstractmethod
    def clip(self, value: Value) -> Value:
        """Returns the possible value nearest to `value`.

        Raises:
            SpaceError: No possible value is nearer than another (a string for a number, an unknown choice).
        """

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Returns whether `value` is possible: of the right type and within bounds."""

    @abstractmethod
    def to_unit(self, value: Value) -> float:
        """Returns the place of `value` in [0, 1], on this dimension's scale.

        A discrete value stands in the middle of its share of the interval.
        """

    @abstractmethod
    def from_unit(self, place: float) -> Value:
        """Returns the value at `place`; places outside [0, 1] are clipped. A uniform `place` gives the prior."""

    @abstractmethod
    def _settle(self) -> None:
        """Brings the fields into their one form at construction, or raises SpaceError."""

    @abstractmethod
    def _arguments(self) -> dict[str, object]:
        """Returns the constructor's own arguments in JSON types, without those left at their default."""

    @property
    def conditions(self) -> When:
        """The conditions of `when`, empty when there are none."""
        return When.of(self.when)

    def resample(self, generator: np.random.Generator) -> Value:
        """Returns a fresh draw from the prior, whatever the value was."""
        return self.sample(generator)

    def check(self, name: str, value: object) -> None:
        """Checks that `value` is possible for the dimension called `name`.

        Raises:
            SpaceError: It is of a wrong type or out of bounds.
        """
        if not self.contains(value):
            raise SpaceError(f"{name!r} must be {self.domain}, but got {value!r}: change the value or widen the space")

    def to_json(self) -> dict[str, object]:
        """Returns this dimension in strict JSON types; `dimension_from_json` reads it back."""
        conditions = {name: list(values) for name, values in self.conditions.items()}
        return {"kind": type(self).__name__} | self._arguments() | ({"when": conditions} if conditions else {})

    def __repr__(self) -> str:
        arguments = self._arguments()
        # Bounds are numbers whatever their type; of listed values and constants the type is shown too.
        own = [show(value) if name in ("low", "high") else repr(value) for name, value in arguments.items()]
        if "factors" in arguments:
            own[-1] = f"factors={_as_tuple(arguments['factors'])}"
        conditions = [f"when={self.conditions!r}"] if self.conditions else []
        return f"{type(self).__name__}({', '.join(own + conditions)})"


def unit(place: float) -> float:
    """Returns `place` clipped to [0, 1].

    Raises:
        SpaceError: It is NaN.
    """
    if not place == place:
        raise SpaceError("a place in the unit interval must be a number in [0, 1], but got nan: give a number")
    return min(max(float(place), 0.0), 1.0)


def _as_tuple(value: object) -> str:
    return "(" + ", ".join(show(part) for part in value) + ")" if isinstance(value, list) else show(value)
