"""Guards: conditions that a copy must meet beyond being chosen (after DexPBT, Petrenko et al. 2023, section III-C).

They keep noise from driving copies: the donor must be better by a margin, and a member whose record inside the last
segment already reaches the donors' level is spared. Departures: the margins and the spare rule can be used one by one,
and a spared member may keep its hyperparameters as well (`explores=False`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from populace._errors import UsageError
from populace.core._population import Population
from populace.core._whole import is_number


@final
@dataclass(frozen=True, kw_only=True)
class Guard:
    """Conditions on the gap between a member and its donor.

    Attributes:
        min_std: The gap must exceed this many standard deviations of the population's scores.
        min_percent: The gap must exceed this percentage of the donor's score (of its magnitude, so that the sign does
            not matter; with scores near zero use `min_std`).
        trim: Share of the worst scores left out of the standard deviation, in [0, 1).
        spare: Spares a member whose best evaluation since its last ready point reaches the donor's score.
        explores: Whether a member held back by the guard explores with its own weights.
    """

    min_std: float = 0.0
    min_percent: float = 0.0
    trim: float = 0.2
    spare: bool = False
    explores: bool = False

    def __post_init__(self) -> None:
        are_numbers = all(map(is_number, (self.min_std, self.min_percent, self.trim)))
        if not (are_numbers and self.min_std >= 0 and self.min_percent >= 0 and 0 <= self.trim < 1):
            raise UsageError(
                "`min_std >= 0`, `min_percent >= 0` and `0 <= trim < 1` must hold, but got "
                f"Guard(min_std={self.min_std!r}, min_percent={self.min_percent!r}, trim={self.trim!r}): "
                "0 turns a condition off"
            )

    def objection(self, population: Population, member: int, donor: int) -> str | None:
        """Returns why a copy must not happen, or None."""
        # Python's numbers: a gap too large for a float is infinite, without a warning.
        level = float(population.better_P[donor])
        gap = level - float(population.better_P[member])
        if self.min_std and gap <= (needed_std := self.min_std * self._std(population)):
            return f"gap {gap:.6g} is within {self.min_std:g} standard deviations ({needed_std:.6g})"
        needed_percent = self.min_percent / 100 * abs(level)
        if self.min_percent and gap <= needed_percent:
            return f"gap {gap:.6g} is within {self.min_percent:g} % of the donor's score ({needed_percent:.6g})"
        if self.spare and self._best_evaluation(population, member) >= level:
            return "the member's best evaluation since its last ready point reaches the donor's score"
        return None

    def _std(self, population: Population) -> float:
        """Population standard deviation of the finite scores without the worst `trim` of them."""
        scores = np.sort(population.better_P[np.isfinite(population.better_P)])
        kept = scores[math.floor(self.trim * len(scores) + 1e-9) :]
        with np.errstate(over="ignore", invalid="ignore"):
            spread = float(np.std(kept)) if len(kept) else 0.0
        return spread if math.isfinite(spread) else math.inf

    def _best_evaluation(self, population: Population, member: int) -> float:
        segment = population.latest[member]
        finite = [e.score for e in segment.evaluations if math.isfinite(e.score)] if segment else []
        return max(map(population.mode.orient, finite), default=-math.inf)
