"""Levels: what members' scores are worth beside their noise, from the last evaluations of their weights.

A score is a level plus noise. Averaging the last few evaluations along an ancestry lowers the noise; how large it is
shows in how far three evaluations in a row are from a straight line, whatever progress the member makes:

    d = x_1 - 2 x_2 + x_3,   Var d = 6 sigma^2,   median |d| = 0.6745 sqrt(6) sigma    (normal noise)

The estimate pools all members: few have enough evaluations of their own, and the median forgives those that have just
jumped. A curve that bends within three evaluations looks like noise, so the estimate errs upwards. Evaluations whose
noises are alike (a running mean) look calmer than they are: report what was measured, not an average of it.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from populace.core._population import Population
from populace.core._segment import Segment

LOOK_BACK = 8
"""Evaluations of each member from which the noise is estimated."""
_FEWEST = 6
_TO_SIGMA = 1 / (0.6744897501960817 * math.sqrt(6))

# Array names end in their axes: P the members.


@final
@dataclass(frozen=True, kw_only=True)
class Levels:
    """The members' levels; larger is better."""

    mean_P: NDArray[np.float64]
    """Mean of each member's last evaluations; -inf where it diverged or failed, NaN where it is unknown."""
    num_P: NDArray[np.int64]
    """How many evaluations that mean is of."""
    noise: float | None
    """Standard deviation of one evaluation; None while too few are known."""

    def z(self, member: int, other: int) -> float | None:
        """Returns by how many standard errors a member's level is above another's; None where noise is unknown."""
        if self.noise is None:
            return None
        error = self.noise * math.sqrt(2 / max(1, min(int(self.num_P[member]), int(self.num_P[other]))))
        gap = float(self.mean_P[member]) - float(self.mean_P[other])
        if error == 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / error


@final
@dataclass(frozen=True)
class _Record:
    """What the last evaluations of one member's weights say."""

    mean: float
    num: int
    bends: tuple[float, ...]


def levels(population: Population, window: int) -> Levels:
    """Returns the members' levels over their last `window` evaluations."""
    return population.once(("levels", window), lambda whole: _levels(whole, window))


def _levels(population: Population, window: int) -> Levels:
    records = population.of_each(("record", window), lambda whole, segment: _record(whole, segment, window))
    num_P = np.array([0 if record is None else record.num for record in records])
    mean_P = np.array([math.nan if record is None else record.mean for record in records])
    bends = [bend for record in records if record is not None for bend in record.bends]
    noise = None
    if len(bends) >= _FEWEST:
        noise = min(4 * float(np.median(bends)) * _TO_SIGMA, sys.float_info.max)
    return Levels(mean_P=mean_P, num_P=num_P, noise=noise)


def _record(population: Population, segment: Segment, window: int) -> _Record:
    scores = [population.mode.orient(x) for x in population.window(segment, max(window, LOOK_BACK))]
    bends = tuple(
        abs(a / 4 - b / 2 + c / 4)  # a quarter of it cannot overflow
        for a, b, c in zip(scores[:LOOK_BACK], scores[1:LOOK_BACK], scores[2:LOOK_BACK], strict=False)
        if math.isfinite(a) and math.isfinite(b) and math.isfinite(c)
    )
    newest = segment.better(population.mode)
    recent = [x for x in scores[:window] if math.isfinite(x)]
    if not math.isfinite(newest) or not recent:
        return _Record(newest, 0, bends)
    return _Record(sum(x / len(recent) for x in recent), len(recent), bends)
