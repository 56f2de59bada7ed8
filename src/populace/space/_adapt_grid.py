"""What the adapters share: ranges that are a point, and ranges with a step."""

from __future__ import annotations

import math

from populace._errors import SpaceError
from populace.space._continuous import LogUniform, Uniform
from populace.space._dimension import Dimension
from populace.space._discrete import Constant, Ordinal
from populace.space._integer import IntUniform, LogIntUniform
from populace.space._value import plain

MOST_GRID_VALUES = 1000


def real_range(low: float, high: float, *, log: bool) -> Dimension:
    """Returns the real numbers in [low, high]; a constant when they are one number."""
    low, high = float(low), float(high)
    if low == high:
        return Constant(low)
    return LogUniform(low, high) if log else Uniform(low, high)


def integer_range(low: int, high: int, *, log: bool) -> Dimension:
    """Returns the integers low..high, both included; a constant when they are one number."""
    low, high = int(low), int(high)
    if low == high:
        return Constant(low)
    return LogIntUniform(low, high) if log else IntUniform(low, high)


def grid(low: float, high: float, step: float, *, log: bool = False) -> Dimension:
    """Returns the values low, low + step, ... up to `high` as ordered values; integers when all three are.

    Raises:
        SpaceError: The grid is on a log scale or has more than 1000 values.
    """
    low, high, step = _number(low), _number(high), _number(step)
    if log:
        raise SpaceError(
            f"a step cannot be kept on a log scale, but got (low={low}, high={high}, step={step}): "
            "drop the step, or list the values with Ordinal"
        )
    if not step > 0:
        raise SpaceError(f"a step must be above 0, but got {step}: use a positive one or none")
    # A tiny share of a step more, because (high - low) / step may fall just short of a whole number.
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST_GRID_VALUES:
        raise SpaceError(
            f"a range with a step must hold at most {MOST_GRID_VALUES} values, but got {count} "
            f"(low={low}, high={high}, step={step}): drop the step or make it larger"
        )
    values = [_tidy(low + index * step) for index in range(count)]
    return Ordinal(values) if count > 1 else Constant(low)


def _number(value: object) -> int | float:
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise SpaceError(f"a bound or step must be a number, but got {value!r}: correct it")
    return number


def _tidy(value: int | float) -> int | float:
    """Returns 0.3 for 0.1 + 0.1 + 0.1."""
    return float(f"{value:.12g}") if isinstance(value, float) else value
