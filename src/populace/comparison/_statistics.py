"""Statistics of paired results: one algorithm against another on the same seeds.

The median of the paired differences with its bootstrap interval (percentile method: Efron and Tibshirani 1993, chapter
13), Wilcoxon's signed-rank test (1945), and Holm's (1979) correction where one algorithm meets several rivals. Ranks
and medians need no normal distribution: results of training have long tails, and a run that found nothing is simply
the worst.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from populace._errors import MissingExtra

SIGNIFICANT = 0.05
FEWEST_SEEDS = 6  # the smallest two-sided p of five pairs is 1/16
_RESAMPLES = 10_000

# Array names end in their axes: S the seeds, R the resamples.


@final
@dataclass(frozen=True, kw_only=True)
class Paired:
    """How an algorithm does against a rival, seed by seed. Differences are positive where it is better."""

    num_seeds: int
    """Seeds that both have finished."""
    wins: int
    """Seeds on which it is better."""
    losses: int
    """Seeds on which it is worse."""
    median: float
    """Median difference; where one of them found nothing, that is a step beyond the largest finite difference."""
    low: float
    """Lower end of the 95 % bootstrap interval of the median."""
    high: float
    """Its upper end."""
    p: float
    """Two-sided p of Wilcoxon's signed-rank test; 1 where no seed differs."""
    adjusted_p: float
    """The same after Holm's correction for the number of rivals."""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `within noise`, or `too few seeds`."""
        if self.num_seeds < FEWEST_SEEDS:
            return "too few seeds"
        if self.adjusted_p >= SIGNIFICANT or self.low <= 0 <= self.high:
            return "within noise"
        return "better" if self.median > 0 else "worse"


def paired(mine: Sequence[float], theirs: Sequence[float]) -> Paired:
    """Returns the statistics of two algorithms' results on the same seeds.

    Args:
        mine: Results where larger is better; -inf where nothing was found.
        theirs: The rival's, in the same order of seeds.

    Raises:
        MissingExtra: scipy is not installed.
    """
    pairs = zip(mine, theirs, strict=True)
    difference_S = np.array([0.0 if a == b else a - b for a, b in pairs], dtype=np.float64)
    low, high = _interval(difference_S)
    p = _wilcoxon(difference_S)
    return Paired(
        num_seeds=len(difference_S),
        wins=int(np.count_nonzero(difference_S > 0)),
        losses=int(np.count_nonzero(difference_S < 0)),
        median=_median(difference_S),
        low=low,
        high=high,
        p=p,
        adjusted_p=p,
    )


def corrected(results: Sequence[Paired]) -> list[Paired]:
    """Returns the statistics with Holm's correction for as many comparisons as there are."""
    order = sorted(range(len(results)), key=lambda index: results[index].p)
    found, least = list(results), 0.0
    for rank, index in enumerate(order):
        least = min(1.0, max(least, (len(results) - rank) * results[index].p))
        found[index] = replace(results[index], adjusted_p=least)
    return found


def _interval(difference_S: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the 95 % percentile interval of the median; its random numbers are the same in every call."""
    if not len(difference_S):
        return math.nan, math.nan
    chosen_RS = np.random.default_rng(0).integers(len(difference_S), size=(_RESAMPLES, len(difference_S)))
    ordered_RS = np.sort(_finite(difference_S)[chosen_RS], axis=1)
    middle = len(difference_S) // 2
    lower = middle if len(difference_S) % 2 else middle - 1
    median_R = (ordered_RS[:, lower] + ordered_RS[:, middle]) / 2
    low, high = np.quantile(median_R, (0.025, 0.975))
    return float(low), float(high)


def _wilcoxon(difference_S: NDArray[np.float64]) -> float:
    if not np.any(difference_S):
        return 1.0
    try:
        from scipy.stats import wilcoxon  # an optional package, and slow to import
    except ModuleNotFoundError as error:
        raise MissingExtra('a comparison needs scipy: pip install "populace[stats]"') from error
    return float(wilcoxon(_finite(difference_S)).pvalue)


def _finite(difference_S: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the differences with infinite ones a step beyond the largest finite one: ranks need no more."""
    finite = np.abs(difference_S[np.isfinite(difference_S)])
    beyond = 2.0 * float(finite.max(initial=0.0)) + 1.0
    return np.where(np.isfinite(difference_S), difference_S, np.sign(difference_S) * beyond)


def _median(difference_S: NDArray[np.float64]) -> float:
    return float(np.median(_finite(difference_S))) if len(difference_S) else math.nan
