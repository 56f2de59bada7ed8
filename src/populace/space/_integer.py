"""Dimensions of whole numbers.

Perturbing multiplies and rounds, then clips. Rounding alone would leave small numbers stuck (1 times 1.2 is 1 again),
so a number that would stay moves by one in the direction of the factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from populace._errors import SpaceError
from populace.space._dimension import Scale, unit
from populace.space._factors import (
    DEFAULT_FACTORS,
    SHARE_OF_RANGE,
    Factors,
    draw_factor,
    draw_move,
    round_by_chance,
)
from populace.space._range import SHARE_LEAVING_ZERO, Range
from populace.space._value import Value, as_number

# Within these bounds every integer has a share of the unit interval that a float can tell from its neighbours'.
LARGEST = 2**40


@dataclass(frozen=True, repr=False)
class Integral(Range[int]):
    """A range of whole numbers on some axis; each owns the axis from half a unit below it to half a unit above."""

    def _bounds(self, low: float | None, high: float | None) -> tuple[int, int]:
        if not isinstance(low, int) or not isinstance(high, int) or not max(abs(low), abs(high)) <= LARGEST:
            raise SpaceError(
                f"`low` and `high` must be integers within +-2**40, but got (low={self.low!r}, high={self.high!r}): "
                "give two integers, or use Uniform or LogUniform for real numbers"
            )
        return low, high

    @property
    def domain(self) -> str:
        return f"an integer in [{self.low}, {self.high}]"

    def perturb(self, value: Value, generator: np.random.Generator, factors: Factors = DEFAULT_FACTORS) -> int:
        start = self.clip(value)
        factor = draw_factor(self.factors, factors, generator)
        up = 1 if factor > 1 else -1
        if start == 0:
            return self._within(up * max(1, round(SHARE_LEAVING_ZERO * (self.high - self.low))))
        moved = start * factor
        # Away from zero for a factor above 1, on either side of zero.
        return self._within(moved if round(moved) != start else start + (up if start > 0 else -up))

    def move(self, value: Value, generator: np.random.Generator, stride: float) -> int:
        if self.factors is not None:
            return self.perturb(value, generator, self.factors)
        target = self._moved(self.clip(value), draw_move(stride, generator))
        return self._within(round_by_chance(target, generator))

    def contains(self, value: object) -> bool:
        number = as_number(value)
        return isinstance(number, int) and self.low <= number <= self.high

    def to_unit(self, value: Value) -> float:
        bottom, top = self._ends()
        return unit((self._to_axis(self.clip(value)) - bottom) / (top - bottom))

    def from_unit(self, place: float) -> int:
        share = unit(place)
        bottom, top = self._ends()
        return self._within(self._from_axis((1 - share) * bottom + share * top))

    def _ends(self) -> tuple[float, float]:
        return self._to_axis(self.low - 0.5), self._to_axis(self.high + 0.5)

    def _within(self, value: float) -> int:
        return round(float(min(max(value, self.low), self.high)))


@final
@dataclass(frozen=True, repr=False)
class IntUniform(Integral):
    """Integers drawn evenly from low..high, both included; perturbing multiplies, rounds and always moves.

    A factor above 1 moves away from zero, also for a negative number. A zero leaves zero by 10% of the range (at least
    1), upwards for a factor above 1 and downwards otherwise.

    Attributes:
        low: The smallest value.
        high: The largest value.
        factors: What perturbing multiplies by, here only; None: what the policy says.

    >>> sorted({IntUniform(1, 8).perturb(1, np.random.default_rng(seed)) for seed in range(9)})
    [1, 2]
    """

    @property
    def scale(self) -> Scale:
        return "linear"

    def _check_bounds(self) -> None:
        """Any two integers in order will do."""

    def _moved(self, value: int, move: float) -> float:
        return value + move * SHARE_OF_RANGE * (self.high - self.low)

    def _to_axis(self, value: float) -> float:
        return value

    def _from_axis(self, position: float) -> float:
        return position


@final
@dataclass(frozen=True, repr=False)
class LogIntUniform(Integral):
    """Integers from low..high, 1 <= low, drawn in proportion to log((k + 1/2) / (k - 1/2)), about 1 / k.

    Perturbing multiplies, rounds and always moves.

    Attributes:
        low: The smallest value.
        high: The largest value.
        factors: What perturbing multiplies by, here only; None: what the policy says.

    >>> LogIntUniform(1, 1024).from_unit(LogIntUniform(1, 1024).to_unit(37))
    37
    """

    @property
    def scale(self) -> Scale:
        return "log"

    def _check_bounds(self) -> None:
        if not self.low >= 1:
            raise SpaceError(
                f"`1 <= low` must hold on a log scale, but got (low={self.low}, high={self.high}): "
                "raise `low` or use IntUniform"
            )

    def _moved(self, value: int, move: float) -> float:
        return value * math.exp(move)

    def _to_axis(self, value: float) -> float:
        return math.log(value)

    def _from_axis(self, position: float) -> float:
        return math.exp(position)
