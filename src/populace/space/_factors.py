"""Factors: what exploring multiplies a number by (Jaderberg et al. 2017, section 4.1: 0.8 or 1.2, evenly)."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from populace._errors import SpaceError
from populace.space._value import as_number

Factors: TypeAlias = tuple[float, float]
"""Two factors, one below 1 and one above."""

DEFAULT_FACTORS: Factors = (0.8, 1.2)

# With a smaller difference a number near 1 or a long complement could round back to where it was.
SMALLEST_CHANGE = 1e-3

# How much longer or shorter than asked a move may be, by its natural logarithm: about twice and half.
SPREAD_OF_MOVES = 0.7
LONGEST_MOVE = 300.0  # exp(300) times a number is still a float
# A stride of 1 is this share of a linear range.
SHARE_OF_RANGE = 0.25


def check_factors(factors: object) -> Factors:
    """Returns `factors` as two floats.

    Raises:
        SpaceError: They are not one positive number below 1 and one above, each at least 0.001 away from 1.
    """
    pair = tuple(factors) if isinstance(factors, (tuple, list)) else ()
    numbers = [number for number in map(as_number, pair) if number is not None]
    if (
        len(pair) != 2
        or len(numbers) != 2
        or not 0 < min(numbers) <= 1 - SMALLEST_CHANGE
        or not max(numbers) >= 1 + SMALLEST_CHANGE
    ):
        raise SpaceError(
            f"`factors` must be one number in (0, 0.999] and one >= 1.001, but got {factors!r}: "
            f"use for example {DEFAULT_FACTORS}"
        )
    return float(numbers[0]), float(numbers[1])


def draw_move(stride: float, generator: np.random.Generator) -> float:
    """Returns a move either way, between half of `stride` and twice as long, evenly by its logarithm."""
    sign = 1 if generator.integers(2) else -1
    length = stride * math.exp(generator.uniform(-SPREAD_OF_MOVES, SPREAD_OF_MOVES))
    return sign * min(length, LONGEST_MOVE)


def round_by_chance(value: float, generator: np.random.Generator) -> int:
    """Returns one of the two whole numbers around `value`, which they average."""
    below = math.floor(value)
    return below + int(generator.random() < value - below)


def draw_factor(own: Factors | None, given: Factors, generator: np.random.Generator) -> float:
    """Returns one of two factors, each with probability 1/2; a dimension's `own` win over those `given`."""
    factors = own if own is not None else check_factors(given)
    return factors[int(generator.integers(2))]
