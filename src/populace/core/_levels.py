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
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from populace.core._population import Population

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
        nums, means = self._plain
        error = self.noise * math.sqrt(2 / max(1, min(nums[member], nums[other])))
        gap = means[member] - means[other]
        if error == 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / error

    @cached_property
    def _plain(self) -> tuple[list[int], list[float]]:
        """Numbers and means as Python's, whose arithmetic on single ones is several times as fast."""
        return self.num_P.tolist(), self.mean_P.tolist()


def levels(population: Population, window: int) -> Levels:
    """Returns the members' levels over their last `window` evaluations."""
    return population.once(("levels", window), lambda whole: _levels(whole, window))


def _levels(population: Population, window: int) -> Levels:
    recent_PW, better_P = population.recent(max(window, LOOK_BACK)), population.better_P
    with np.errstate(over="ignore", invalid="ignore"):
        scores_PW = recent_PW[:, :window]
        is_finite_PW = np.isfinite(scores_PW)
        num_P = np.where(np.isfinite(better_P), is_finite_PW.sum(axis=1), 0)
        mean_P = np.zeros(len(num_P))
        for w in range(window):  # one after the other, so that rounding is the same everywhere
            mean_P += np.where(is_finite_PW[:, w], scores_PW[:, w] / np.maximum(num_P, 1), 0.0)
        a_PW, b_PW, c_PW = (recent_PW[:, i : LOOK_BACK - 2 + i] for i in range(3))
        bends_PW = np.abs(a_PW / 4 - b_PW / 2 + c_PW / 4)  # a quarter of it cannot overflow
        bends = bends_PW[np.isfinite(a_PW) & np.isfinite(b_PW) & np.isfinite(c_PW)]
    noise = None
    if len(bends) >= _FEWEST:
        noise = min(4 * float(np.median(bends)) * _TO_SIGMA, sys.float_info.max)
    return Levels(mean_P=np.where(num_P > 0, mean_P, better_P), num_P=num_P, noise=noise)
