"""What an algorithm leaves behind on one seed of a task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from benchmarks.suite._bank import Slots
from populace.space import Hyperparameters, Key, Space

NUM_CURVE_POINTS = 10


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The state chosen by the score, and the way there."""

    seed: int
    """The seed."""
    valid: float
    """The best score at a ready point."""
    test: float
    """What that state tests at."""
    member_steps: int
    """Steps trained in all, those of discarded weights included."""
    best_at: float
    """Share of the budget after which the best score came."""
    curve: tuple[float, ...]
    """The best score so far after each tenth of the budget; -inf is written as None."""
    spread: float | None = None
    """Of a population's last hyperparameters against its first ones: the mean ratio of standard deviations."""
    num_copies: int | None = None
    """Exploits of a population."""
    schedule: str | None = None
    """Of a population's winner, as JSON, where the task keeps it."""


class Best:
    """The best state so far of one seed; holds its slot.

    Args:
        slots: The slots in use.
        budget: Member steps in all.
    """

    def __init__(self, slots: Slots, budget: int) -> None:
        self._slots = slots
        self._budget = budget
        self._done = 0
        self._marks: list[tuple[int, float]] = []
        self.score = -math.inf
        self.slot: int | None = None

    @property
    def member_steps(self) -> int:
        """Steps trained so far."""
        return self._done

    def note(self, score: float, slot: int, num_steps: int) -> None:
        """Notes a state that has been trained for so many more steps."""
        self._done += num_steps
        if math.isfinite(score) and score > self.score:
            if self.slot is not None:
                self._slots.drop(self.slot)
            self.score, self.slot = score, self._slots.hold(slot)
            self._marks.append((self._done, score))

    def outcome(
        self,
        seed: int,
        test: float,
        *,
        spread: float | None = None,
        num_copies: int | None = None,
        schedule: str | None = None,
    ) -> Outcome:
        """Returns what is left behind."""
        points = [self._budget * (i + 1) / NUM_CURVE_POINTS for i in range(NUM_CURVE_POINTS)]
        curve = [max((s for done, s in self._marks if done <= at + 1e-9), default=-math.inf) for at in points]
        return Outcome(
            seed=seed,
            valid=self.score,
            test=test,
            member_steps=self._done,
            best_at=self._marks[-1][0] / self._budget if self._marks else 1.0,
            curve=tuple(curve),
            spread=spread,
            num_copies=num_copies,
            schedule=schedule,
        )


def test_key(seed: int) -> Key:
    """Returns the key of the one test of a seed: the same for all algorithms, never used in training."""
    return Key(seed).fold("fresh")


def spread_of(space: Space, first: Sequence[Hyperparameters], last: Sequence[Hyperparameters]) -> float:
    """Returns the mean over dimensions of the ratio of standard deviations, on the dimensions' own scales."""
    before, after = (np.std([space.to_unit(hp) for hp in each], axis=0) for each in (first, last))
    moved = before > 0
    return float(np.mean(after[moved] / before[moved])) if moved.any() else 1.0
