"""Curves of scores, compared by how fast they rise: the arithmetic of FIRE PBT.

A model that is ahead need not learn faster. So two curves are laid side by side where they *overlap*: from where the
one that began lower reaches the score with which the other began, both smoothed, as far as both go on. What counts is
how much higher the one gets than the other over the same number of measurements.

Dalibard and Jaderberg 2021 (arXiv 2109.13800, section 3); what the paper leaves open is as in the code of PBT-Zoo
(Chebykin et al. 2025). Departure: curves are smoothed by a Gaussian process whose length and noise are chosen by
likelihood (`_stagnation.smoothed`), long ones on means of equal parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from populace.core._stagnation import smoothed

# Array names end in their axes: N measurements.

Floats = NDArray[np.float64]

_MOST_PARTS = 48
_NUM_SHIFTS = 10
WORSE = 2.0
"""What `p_of_wins` says of a curve that is below the other all along: more than any probability."""


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """Scores in order, larger being better, as measured and as smoothed."""

    y_N: Floats
    """As measured."""
    smooth_N: Floats
    """As smoothed."""

    @classmethod
    def of(cls, scores: Sequence[float]) -> Curve:
        """Returns the curve of scores, at least one."""
        y_N = np.asarray(scores, np.float64)
        spread = float(y_N.std(ddof=1)) if len(y_N) > 1 else 0.0
        if not (spread > 0 and math.isfinite(spread)):
            return cls(y_N, y_N)
        parts = np.array_split(np.arange(len(y_N)), min(len(y_N), _MOST_PARTS))
        means = np.array([y_N[part].mean() for part in parts])
        centre, scale = means.mean(), means.std(ddof=1)
        smooth = centre + scale * smoothed(means.tolist())
        at = np.array([part.mean() for part in parts])
        return cls(y_N, np.asarray(np.interp(np.arange(len(y_N)), at, smooth), np.float64))

    def __len__(self) -> int:
        return len(self.y_N)

    def lowered(self, by: float) -> Curve:
        """Returns the curve with all scores lowered."""
        return Curve(self.y_N - by, self.smooth_N - by)


@final
@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Where two curves can be compared."""

    first: int
    """Where it begins in the first curve."""
    second: int
    """Where it begins in the second curve."""
    length: int
    """How many measurements long it is."""


def overlap_of(a: Curve, b: Curve) -> Overlap | None:
    """Returns where two curves overlap; None where the lower one does not reach the other."""
    if a.smooth_N[0] < b.smooth_N[0]:
        reached = np.flatnonzero(a.smooth_N >= b.smooth_N[0])
        starts = (int(reached[0]), 0) if len(reached) else None
    else:
        reached = np.flatnonzero(b.smooth_N >= a.smooth_N[0])
        starts = (0, int(reached[0])) if len(reached) else None
    if starts is None:
        return None
    return Overlap(first=starts[0], second=starts[1], length=min(len(a) - starts[0], len(b) - starts[1]))


def gain(a: Curve, b: Curve) -> float:
    """Returns by how much the first curve gets higher than the second where they overlap: the best score difference.

    A first curve that is above the second all along is lowered until it overlaps, and the best of ten such places
    counts, at least 0. Curves that cannot be compared otherwise differ by 0.
    """
    found = _gain(a, b)
    if found is not None:
        return found
    low, high = float(a.y_N.min() - b.y_N.max()), float(a.y_N.min() - b.y_N.min())
    if low <= 0 or math.isclose(low, high):
        return 0.0
    shifts = low + (high - low) * np.arange(_NUM_SHIFTS) / _NUM_SHIFTS
    return max(0.0, *(_gain(a.lowered(float(shift)), b) or 0.0 for shift in shifts))


def p_of_wins(a: Curve, b: Curve) -> float:
    """Returns how likely so many wins of the first curve, measurement by measurement, are by chance (one-sided).

    Where they do not overlap: 0 for a curve that is above the other all along, `WORSE` for one that is below, and else
    both are compared from their beginnings.
    """
    overlap = overlap_of(a, b)
    if overlap is None:
        if a.y_N.min() > b.y_N.max():
            return 0.0
        if a.y_N.max() < b.y_N.min():
            return WORSE
        overlap = Overlap(first=0, second=0, length=min(len(a), len(b)))
    a_N, b_N = _parts(a, b, overlap)
    return binomial_tail(int(np.count_nonzero(a_N > b_N)), overlap.length)


def binomial_tail(wins: int, of: int) -> float:
    """Returns the probability of at least so many wins of fair throws."""
    return sum(math.comb(of, k) for k in range(wins, of + 1)) / float(2**of)


def _gain(a: Curve, b: Curve) -> float | None:
    overlap = overlap_of(a, b)
    if overlap is None:
        return None
    a_N, b_N = _parts(a, b, overlap)
    return float(a_N.max() - b_N.max())


def _parts(a: Curve, b: Curve, overlap: Overlap) -> tuple[Floats, Floats]:
    a_N = a.y_N[overlap.first : overlap.first + overlap.length]
    b_N = b.y_N[overlap.second : overlap.second + overlap.length]
    return a_N, b_N
