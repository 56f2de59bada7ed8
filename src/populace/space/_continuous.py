"""Dimensions of real numbers.

Perturbing multiplies and clips, as in the paper. What is multiplied depends on the kind: the number itself, or its
distance from 1 for numbers such as a discount or a momentum, where 0.99 against 0.999 is the difference that counts.
A result never leaves the bounds, and a value never gets stuck: at a bound, the factor that points outwards leaves it
there and the other one moves it.
"""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from populace._errors import SpaceError
from populace.space._dimension import Scale, unit
from populace.space._factors import DEFAULT_FACTORS, SHARE_OF_RANGE, Factors, draw_factor, draw_move
from populace.space._range import SHARE_LEAVING_ZERO, Range
from populace.space._value import Value, as_number, show

CLOSEST_TO_ONE = 1e-12


@dataclass(frozen=True, repr=False)
class Continuous(Range[float]):
    """A range of real numbers on some axis."""

    @abstractmethod
    def _times(self, value: float, factor: float) -> float:
        """Returns `value` moved by `factor`, perhaps beyond the bounds, never where it was."""

    def _bounds(self, low: float | None, high: float | None) -> tuple[float, float]:
        if low is None or high is None:
            raise SpaceError(
                f"`low` and `high` must be finite numbers, but got (low={self.low!r}, high={self.high!r}): "
                "give two finite numbers"
            )
        return float(low), float(high)

    @property
    def domain(self) -> str:
        return f"a number in [{show(self.low)}, {show(self.high)}]"

    def perturb(self, value: Value, generator: np.random.Generator, factors: Factors = DEFAULT_FACTORS) -> float:
        return self._within(self._times(self.clip(value), draw_factor(self.factors, factors, generator)))

    def move(self, value: Value, generator: np.random.Generator, stride: float) -> float:
        if self.factors is not None:
            return self.perturb(value, generator, self.factors)
        return self._within(self._moved(self.clip(value), draw_move(stride, generator)))

    def contains(self, value: object) -> bool:
        number = as_number(value)
        return number is not None and self.low <= number <= self.high

    def to_unit(self, value: Value) -> float:
        bottom, top = self._to_axis(self.low), self._to_axis(self.high)
        return unit((self._to_axis(self.clip(value)) - bottom) / (top - bottom))

    def from_unit(self, place: float) -> float:
        share = unit(place)
        return self._within(self._from_axis((1 - share) * self._to_axis(self.low) + share * self._to_axis(self.high)))

    def _within(self, value: float) -> float:
        return float(min(max(value, self.low), self.high))


@final
@dataclass(frozen=True, repr=False)
class Uniform(Continuous):
    """Numbers drawn evenly from [low, high]; perturbing multiplies them by a factor.

    A factor above 1 moves away from zero, also for a negative number. Multiplying cannot move a zero: it leaves
    zero by 10% of the range, upwards for a factor above 1 and downwards otherwise (and is clipped there as anywhere).
    Perturbing never changes a number's sign except through zero; resampling does.

    Attributes:
        low: The smallest value.
        high: The largest value.
        factors: What perturbing multiplies by, here only; None: what the policy says.

    >>> Uniform(0, 0.6).clip(0.7)
    0.6
    """

    @property
    def scale(self) -> Scale:
        return "linear"

    def _check_bounds(self) -> None:
        if not math.isfinite(self.high - self.low):
            raise SpaceError(
                f"`high - low` must be finite, but got (low={self.low!r}, high={self.high!r}): narrow the range"
            )

    def _to_axis(self, value: float) -> float:
        return value

    def _from_axis(self, position: float) -> float:
        return position

    def _times(self, value: float, factor: float) -> float:
        moved = value * factor
        if moved != value:
            return moved
        # Zero, or a number so small that the product rounds back to it.
        return value + math.copysign(SHARE_LEAVING_ZERO * (self.high - self.low), factor - 1)

    def _moved(self, value: float, move: float) -> float:
        return value + move * SHARE_OF_RANGE * (self.high - self.low)


@final
@dataclass(frozen=True, repr=False)
class LogUniform(Continuous):
    """Numbers drawn evenly by their logarithm from [low, high], 0 < low; perturbing multiplies them by a factor.

    Attributes:
        low: The smallest value.
        high: The largest value.
        factors: What perturbing multiplies by, here only; None: what the policy says.

    >>> LogUniform(1e-5, 1e-1).to_unit(1e-3)
    0.5
    """

    @property
    def scale(self) -> Scale:
        return "log"

    def _check_bounds(self) -> None:
        if not self.low >= sys.float_info.min:
            raise SpaceError(
                f"`0 < low` must hold on a log scale, but got (low={show(self.low)}, high={show(self.high)}): "
                "raise `low` (at least 2.3e-308) or use Uniform"
            )

    def _to_axis(self, value: float) -> float:
        return math.log(value)

    def _from_axis(self, position: float) -> float:
        return math.exp(position)

    def _times(self, value: float, factor: float) -> float:
        return value * factor

    def _moved(self, value: float, move: float) -> float:
        return value * math.exp(move)


@final
@dataclass(frozen=True, repr=False)
class Complement(Continuous):
    """Numbers below 1 of which 1 - x is drawn evenly by its logarithm and multiplied when perturbed.

    For a discount, a momentum, a trace decay: perturbing 0.99 by 0.8 gives 0.992, by 1.2 gives 0.988. A factor above 1
    therefore moves the number *down*, away from 1.

    Attributes:
        low: The smallest value.
        high: The largest value, at most 1 - 1e-12 (closer to 1, a float has too few digits left to move).
        factors: What perturbing multiplies 1 - x by, here only; None: what the policy says.

    >>> round(Complement(0.9, 0.999).from_unit(0.5), 6)
    0.99
    """

    @property
    def scale(self) -> Scale:
        return "complement"

    def _check_bounds(self) -> None:
        if not 1 - self.high >= CLOSEST_TO_ONE:
            raise SpaceError(
                f"`low < high < 1` must hold, but got (low={show(self.low)}, high={show(self.high)}): "
                "lower `high` (at most 1 - 1e-12) or use Uniform"
            )

    def _to_axis(self, value: float) -> float:
        return -math.log1p(-value)

    def _from_axis(self, position: float) -> float:
        return -math.expm1(-position)

    def _times(self, value: float, factor: float) -> float:
        return 1 - (1 - value) * factor

    def _moved(self, value: float, move: float) -> float:
        return 1 - (1 - value) * math.exp(move)
