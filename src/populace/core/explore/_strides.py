"""Strides: moves whose length grows with the square root of the time until the next one.

A member that may change its hyperparameters a hundred times in a run wants small changes, one that may do so five times
wants large ones: a random walk gets as far in both cases when its stride grows with the square root of the time between
two moves. So one setting serves every interval. Each hyperparameter is redrawn with some probability, else it moves
either way by a stride of its own, at times half as long and at times twice. The rule is ours; the evidence for it is in
docs/decisions/0012-robust-default.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

from populace._errors import UsageError
from populace.core._whole import is_number
from populace.core.explore._explore import PacedExplore
from populace.space import Hyperparameters, Key, Space, Value


@final
@dataclass(frozen=True)
class Strides(PacedExplore):
    """Every hyperparameter is redrawn with some probability, else it moves by about `stride x sqrt(generation / 1 %)`.

    How a stride moves a value is its dimension's own affair: numbers on a log scale are multiplied by
    exp(+-stride), evenly scaled ones move by that many quarters of their range, whole numbers and listed values by
    chance, so that they move as far on average. A dimension's own `factors` take precedence.

    Attributes:
        stride: Typical move in a generation of one hundredth of the run, in (0, 10].
        resample: Probability of redrawing, per hyperparameter, in [0, 1].
        generation: Share of the run until hyperparameters may change again, in (0, 1]; the policy sets it.
    """

    stride: float = 0.2
    resample: float = 0.1
    generation: float = 0.01

    def __post_init__(self) -> None:
        are_numbers = all(map(is_number, (self.stride, self.resample, self.generation)))
        if not (are_numbers and 0 < self.stride <= 10 and 0 <= self.resample <= 1 and 0 < self.generation <= 1):
            raise UsageError(
                "`0 < stride <= 10`, `0 <= resample <= 1` and `0 < generation <= 1` must hold, but got "
                f"Strides(stride={self.stride!r}, resample={self.resample!r}, generation={self.generation!r}): "
                "stride 0.2 and resample 0.1 are usual"
            )

    def paced(self, generation: float) -> Strides:
        return replace(self, generation=generation)

    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        return space.move_or_resample(
            hyperparameters, key, self.stride * math.sqrt(100 * self.generation), self.resample
        )
