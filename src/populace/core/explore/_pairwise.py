"""Pairwise learning: the loser's hyperparameters move towards the winner's, with inertia, instead of becoming them.

GPBT-PL (Bai and Cheng 2024, IEEE TETCI, arXiv 2404.08233, section III-B), an operator of particle swarms:

    v <- w r1 v + c r2 (h_win - h_lose),    h <- h_lose + v, clipped        (r1, r2 even in [0, 1])

Weights are copied from the winner as ever. Departures. Places are those of each dimension's own scale, in [0, 1], and
r1, r2 are drawn per dimension. v is what the member's last such move amounted to, read from the log: after clipping,
rounding or redrawing it is the distance really gone. A member that diverged or failed takes the winner's values,
perturbed: half the way from where it failed may fail again. Unordered choices become the winner's. What the paper calls
optional is the default of its reinforcement learning runs: a quarter of the values is redrawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from populace._errors import UsageError
from populace.core._score import Finite
from populace.core._segment import Segment
from populace.core._whole import check_whole, is_number
from populace.core.explore._explore import InformedExplore, Scene
from populace.space import Choice, Constant, Dimension, Hyperparameters, Key, Space, Value


@final
@dataclass(frozen=True, kw_only=True)
class Pairwise(InformedExplore):
    """A clone moves from its own hyperparameters towards its donor's, with inertia.

    Attributes:
        inertia: Weight of the member's last move: w.
        pull: Weight of the way to the donor's values: c.
        resample: Probability of redrawing a value instead, in [0, 1).
        rounds: How many of its segments back a member remembers its last move.
    """

    inertia: float = 1.0
    pull: float = 1.0
    resample: float = 0.25
    rounds: int = 100

    def __post_init__(self) -> None:
        are_numbers = is_number(self.inertia) and is_number(self.pull)
        if not (are_numbers and 0 <= self.inertia < math.inf and 0 < self.pull < math.inf):
            raise UsageError(
                "`0 <= inertia < inf` and `0 < pull < inf` must hold, but got "
                f"Pairwise(inertia={self.inertia!r}, pull={self.pull!r}): 1 is usual for both"
            )
        if not (is_number(self.resample) and 0 <= self.resample < 1):
            raise UsageError(
                f"`0 <= resample < 1` must hold, but got Pairwise(resample={self.resample!r}): 0.25 is usual, "
                "and Resample() redraws everything"
            )
        check_whole("rounds", self.rounds, 1, "it is how many segments back to look; 100 is usual", most=10_000)

    def depth(self, size: int) -> int:
        return self.rounds

    def explore(self, hyperparameters: Hyperparameters, scene: Scene, key: Key) -> dict[str, Value]:
        population, space = scene.population, scene.population.space
        own = population.latest[scene.member]
        if own is None or not isinstance(own.outcome, Finite):
            return space.perturb(hyperparameters, key)
        active = space.active(hyperparameters)
        last = last_move([s for s in population.lives(self.rounds) if s.member == scene.member], space)
        return {
            name: self._moved(dimension, own.hyperparameters[name], hyperparameters[name], last[name], key.fold(name))
            if name in active
            else hyperparameters[name]
            for name, dimension in space.items()
        }

    def _moved(self, dimension: Dimension, mine: Value, theirs: Value, velocity: float, key: Key) -> Value:
        generator = key.generator()
        if isinstance(dimension, Constant):
            return theirs
        if generator.random() < self.resample:
            return dimension.resample(generator)
        if isinstance(dimension, Choice):
            return theirs
        kept, drawn = map(float, generator.random(2))
        lose, win = dimension.to_unit(mine), dimension.to_unit(theirs)
        return dimension.from_unit(lose + moved(lose, win, velocity, self.inertia * kept, self.pull * drawn))


def moved(lose: float, win: float, velocity: float, kept: float, drawn: float) -> float:
    """Returns the new velocity of a loser."""
    return kept * velocity + drawn * (win - lose)


def last_move(life: list[Segment], space: Space) -> dict[str, float]:
    """Returns how far, by dimension, a member's hyperparameters went when it last copied one; 0 where it never did.

    Args:
        life: The member's segments, oldest first.
        space: The search space.
    """
    for before, after in reversed(list(pairwise(life))):
        if after.donor is not None:
            gone = space.to_unit(after.hyperparameters) - space.to_unit(before.hyperparameters)
            return dict(zip(space, gone.tolist(), strict=True))
    return dict.fromkeys(space, 0.0)
