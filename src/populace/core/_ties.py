"""Ties: seeded numbers that order segments of equal scores, alike for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def ties(
    seed: int, members: Sequence[int] | NDArray[np.int64], generations: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Returns the numbers that order segments among equal scores, as `Population.tie_P` holds them."""
    places = np.asarray(members, dtype=np.uint64), np.asarray(generations, dtype=np.uint64)
    return _mix(np.uint64(seed % 2**64) ^ _mix(places[0] ^ _mix(places[1])))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood 2014): a counter-based generator without state. Arithmetic is modulo 2**64."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
