"""A pilot: a few members, and what they tell of a task before a long run is paid for.

A pilot is random search up to the rally: there everybody takes the best member's weights and keeps its own
hyperparameters (`Rally`), so that what members do in the window after it differs by their hyperparameters alone.

* Noise of a score: the pooled second differences of successive evaluations, which a smooth learning curve leaves near
  zero: sigma^2 = median((s[j] - 2 s[j+1] + s[j+2])^2) / (6 x 0.455), 0.455 being the median of a chi-square variable
  with one degree of freedom. Scores that are smoothed already make it too small.
* Difference: the median distance of two members' scores, so many steps after they had the same weights.
* Gain of a change: how much better the best other setting does in the window than the setting that had trained those
  weights, the best constant one. Where the best settings stay there is none, where they move there is.

Noise and differences are those of the better half of the members: a setting that cannot learn at all is told from the
others in no time, and says nothing about how long an interval must be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import final

import numpy as np

from populace.core import Segment
from populace.run import Result

_CHI_SQUARE_MEDIAN = 0.455
_FEWEST_DIFFERENCES = 6


@final
@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What a pilot has measured. Gains are positive where scores get better; the rest are sizes."""

    members: int
    """Members that trained."""
    interval: int
    """Steps of one interval."""
    rally: int
    """Steps before everybody took the best member's weights."""
    window: int
    """Steps after it."""
    num_diverged: int
    """Members without a finite score at the end of the first interval."""
    noise: float | None
    """Standard deviation of a score's noise; None where there were too few evaluations."""
    progress: float | None
    """Median gain of a member in one interval after the rally."""
    differences: Mapping[int, float]
    """By steps since the weights were equal: the median distance of two members' scores."""
    gain: float | None
    """What the best change of hyperparameters gained in the window over going on with the best constant setting."""

    @property
    def steps(self) -> int:
        """Steps that each member trained."""
        return self.rally + self.window

    @property
    def member_steps(self) -> int:
        """What it cost."""
        return self.members * self.steps


def measure_pilot(result: Result, window: int, rally: int) -> Pilot:
    """Returns what a finished pilot tells.

    Args:
        result: A run under `Rally(step=rally)`.
        window: Steps after the rally.
        rally: Steps before everybody took the best member's weights.
    """
    mode, interval = result.spec.mode, result.spec.interval
    ended = [s for s in result.segments if s.ended is not None]
    scores = {
        (s.member, s.member_end): mode.orient(s.score) for s in ended if s.score is not None and s.member_end > rally
    }
    last = {member: score for (member, step), score in scores.items() if step == rally + window}
    better = sorted(last, key=lambda member: -last[member])[: max(2, (len(last) + 1) // 2)]
    differences = {}
    for steps in range(interval, window + 1, interval):
        held = [scores[member, rally + steps] for member in better if (member, rally + steps) in scores]
        apart = [abs(a - b) for a, b in combinations(held, 2)]
        if apart:
            differences[steps] = float(np.median(apart))
    # Whoever copied nobody at the rally had the best weights, so its setting is the best constant one.
    stayed = next((s.member for s in ended if s.member_start == rally and s.donor is None and s.member in last), None)
    others = [score for member, score in last.items() if member != stayed]
    stages = [(rally // 2, rally), (rally, rally + window)]
    return Pilot(
        members=result.spec.population,
        interval=interval,
        rally=rally,
        window=window,
        num_diverged=sum(s.score is None for s in ended if s.member_end == interval),
        noise=_noise([_evaluations(ended, member, *stage) for member in better for stage in stages]),
        progress=_progress(scores),
        differences=differences,
        gain=None if stayed is None or not others else max(others) - last[stayed],
    )


def _evaluations(segments: Sequence[Segment], member: int, after: int, until: int) -> list[float]:
    """Returns a member's evaluations in a stretch of its own steps, in order."""
    return [
        evaluation.score
        for s in segments
        if s.member == member and after <= s.member_start and s.member_end <= until
        for evaluation in s.evaluations
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


def _progress(scores: Mapping[tuple[int, int], float]) -> float | None:
    lives: dict[int, list[float]] = {}
    for (member, _), score in sorted(scores.items()):
        lives.setdefault(member, []).append(score)
    gains = [after - before for life in lives.values() for before, after in pairwise(life)]
    return float(np.median(gains)) if gains else None
