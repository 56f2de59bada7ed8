"""Attempts as the log tells them: each is a chain of segments from fresh weights, with hyperparameters that stay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from populace.core._population import Population
from populace.core._score import Finite
from populace.core._segment import Segment, SegmentId
from populace.space import Hyperparameters


@final
@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One setting, trained from fresh weights until its end or until it was given up."""

    root: SegmentId
    """Its first segment."""
    hyperparameters: Hyperparameters
    """Its full assignment."""
    segments: tuple[Segment, ...]
    """Its ended segments, in order."""
    is_open: bool
    """Whether its member still trains it."""

    @property
    def curve(self) -> dict[int, float]:
        """Its finite scores by weight steps, larger is better only after `Population.mode.orient`."""
        return {s.end_step: s.outcome.value for s in self.segments if isinstance(s.outcome, Finite)}

    @property
    def steps(self) -> int:
        """Weight steps done."""
        return self.segments[-1].end_step if self.segments else 0

    @property
    def broke(self) -> bool:
        """Whether it ended by diverging or failing."""
        return bool(self.segments) and not isinstance(self.segments[-1].outcome, Finite)


def attempts_of(population: Population) -> list[Attempt]:
    """Returns all attempts up to each member's newest segment in a snapshot, by generation of their root and member."""
    found: list[Attempt] = []
    for newest in population.latest:
        if newest is None:
            continue
        life = [population.forest[SegmentId(newest.member, g)] for g in range(newest.generation)] + [newest]
        starts = [i for i, s in enumerate(life) if s.parent is None]
        for first, after in zip(starts, [*starts[1:], len(life)], strict=True):
            found.append(
                Attempt(
                    root=life[first].id,
                    hyperparameters=life[first].hyperparameters,
                    segments=tuple(life[first:after]),
                    is_open=after == len(life),
                )
            )
    return sorted(found, key=lambda attempt: (attempt.root.generation, attempt.root.member))


def rungs(curve: dict[int, float], grace: int, factor: int, *, stopped: bool) -> dict[int, float]:
    """Returns the score with which an attempt entered each rung of successive halving that it reached.

    Rung k lies at `grace` x `factor`^k steps, and is entered at the first report at or after it.

    Args:
        curve: Scores by steps.
        grace: Steps of rung 0.
        factor: How many times further the next rung is.
        stopped: Whether the attempt was stopped at its last report: it went no further than the rung entered there.
    """
    entered: dict[int, float] = {}
    last = max(curve, default=0)
    for step in sorted(curve):
        while step >= grace * factor ** len(entered):
            entered[len(entered)] = curve[step]
            if stopped and step == last:
                break
    return entered


def best_of(attempt: Attempt, population: Population) -> float:
    """Returns an attempt's best score where larger is better; -inf where it has none."""
    return max(map(population.mode.orient, attempt.curve.values()), default=-math.inf)
