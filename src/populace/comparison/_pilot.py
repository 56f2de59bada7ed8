"""A pilot: a few members, a few intervals, and what they tell of a task before a long run is paid for.

Half of the pilot is random search. Then everybody takes the best member's weights and keeps its own hyperparameters
(`Rally`), so that what members do in the second half differs by their hyperparameters alone.

* Noise of a score: the pooled second differences of successive evaluations, which a smooth learning curve leaves near
  zero: sigma^2 = median((s[j] - 2 s[j+1] + s[j+2])^2) / (6 x 0.455), 0.455 being the median of a chi-square variable
  with one degree of freedom. Scores that are smoothed already make it too small.
* Difference: the median distance of two members' scores, so many steps after they had the same weights.
* Rank correlation (Spearman 1904) between members' scores at the end of the first half, from scratch, and of the
  second, from equal weights: near one where the same settings stay the best, lower where the best ones move.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

from populace.core import Mode, Segment
from populace.run import Result

_CHI_SQUARE_MEDIAN = 0.455
_FEWEST_DIFFERENCES = 6


@final
@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What a pilot has measured; scores are on the user's scale, differences are sizes."""

    members: int
    """Members that trained."""
    interval: int
    """Steps of one interval."""
    half: int
    """Steps of each half."""
    num_diverged: int
    """Members without a finite score at the end of the first half."""
    noise: float | None
    """Standard deviation of a score's noise; None where there were too few evaluations."""
    progress: float | None
    """Median gain of a member in one interval of the second half; negative where scores got worse."""
    differences: Mapping[int, float]
    """By steps since the weights were equal: the median distance of two members' scores."""
    correlation: float | None
    """Rank correlation of the settings' scores from scratch and from equal weights; None where it cannot be told."""
    num_ranked: int
    """Members in that correlation."""

    @property
    def member_steps(self) -> int:
        """What it cost."""
        return self.members * 2 * self.half


def measure_pilot(result: Result, half: int) -> Pilot:
    """Returns what a finished pilot tells.

    Args:
        result: A run under `Rally(step=half)`.
        half: Steps of each half.
    """
    mode, interval = result.spec.mode, result.spec.interval
    first = {s.member: s for s in result.segments if s.member_end == half}
    second = [s for s in result.segments if s.member_start >= half and s.ended is not None]
    by_member = {m: [s for s in result.segments if s.member == m] for m in range(result.spec.population)}
    last = {s.member: s for s in second if s.member_end == 2 * half}
    ends = {m: (first[m].score, last[m].score) for m in first if m in last}
    ranked = [(a, b) for a, b in ends.values() if a is not None and b is not None]
    differences = {}
    for steps in range(interval, half + 1, interval):
        scores = [s.score for s in second if s.member_end == half + steps and s.score is not None]
        apart = [abs(a - b) for a, b in combinations(scores, 2)]
        if apart:
            differences[steps] = float(np.median(apart))
    return Pilot(
        members=result.spec.population,
        interval=interval,
        half=half,
        num_diverged=sum(segment.score is None for segment in first.values()),
        noise=_noise([*_chains(by_member, 0, half), *_chains(by_member, half, 2 * half)]),
        progress=_progress(second, mode, half),
        differences=differences,
        correlation=_spearman([a for a, _ in ranked], [b for _, b in ranked]),
        num_ranked=len(ranked),
    )


def _chains(by_member: Mapping[int, Sequence[Segment]], after: int, until: int) -> list[list[float]]:
    """Returns each member's evaluations in a stretch of its own steps, in order."""
    return [
        [e.score for s in life if after <= s.member_start and s.member_end <= until for e in s.evaluations]
        for life in by_member.values()
    ]


def _noise(chains: Sequence[Sequence[float]]) -> float | None:
    found = [
        (a - 2 * b + c) ** 2
        for chain in chains
        for a, b, c in zip(chain, chain[1:], chain[2:], strict=False)
        if math.isfinite(a + b + c)
    ]
    if len(found) < _FEWEST_DIFFERENCES:
        return None
    return math.sqrt(float(np.median(found)) / (6 * _CHI_SQUARE_MEDIAN))


def _progress(second: Sequence[Segment], mode: Mode, half: int) -> float | None:
    gains = []
    for member in {s.member for s in second}:
        scores = [mode.orient(s.score) for s in second if s.member == member and s.score is not None]
        gains += [b - a for a, b in pairwise(scores)]
    return float(np.median(gains)) if gains else None


def _spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) < 4:
        return None
    mine, theirs = _ranks(one), _ranks(other)
    if np.ptp(mine) == 0 or np.ptp(theirs) == 0:
        return None
    return float(np.corrcoef(mine, theirs)[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Returns the ranks, ties at their mean."""
    held = np.asarray(values, dtype=np.float64)
    below = (held[:, None] > held[None, :]).sum(axis=1)
    equal = (held[:, None] == held[None, :]).sum(axis=1)
    return np.asarray(below + (equal - 1) / 2, dtype=np.float64)
