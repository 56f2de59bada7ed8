"""The paper's ways to explore (Jaderberg et al. 2017, section 4.1.2): perturb, resample, and their mixture.

How one value moves is its dimension's own affair; a strategy says only with what probability and factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from populace._errors import UsageError
from populace.core._whole import is_number
from populace.core.explore._explore import ExploreStrategy
from populace.space import Hyperparameters, Key, Space, Uniform, Value


@final
@dataclass(frozen=True)
class Perturb(ExploreStrategy):
    """Every hyperparameter moves, independently of the others.

    Numbers are multiplied by one of two factors with equal probability, ordinals step to a neighbour, unordered
    choices are redrawn. The paper's factors have a geometric mean below 1 (0.98): values drift down a little;
    (0.8, 1.25) does not drift.

    Attributes:
        factors: One below 1 and one above; a dimension's own take precedence.
    """

    factors: tuple[float, float] = (0.8, 1.2)

    def __post_init__(self) -> None:
        # A dimension knows which factors it can be multiplied by.
        object.__setattr__(self, "factors", Uniform(0, 1, factors=self.factors).factors)

    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        return space.perturb(hyperparameters, key, self.factors)


@final
@dataclass(frozen=True)
class Resample(ExploreStrategy):
    """Every hyperparameter is redrawn from its prior with some probability, else left as it is.

    Attributes:
        probability: Per hyperparameter, in (0, 1].
    """

    probability: float = 1.0

    def __post_init__(self) -> None:
        if not (is_number(self.probability) and 0 < self.probability <= 1):
            raise UsageError(
                f"`0 < probability <= 1` must hold, but got Resample(probability={self.probability!r}): "
                "1 redraws everything, NoExplore() nothing"
            )

    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        return space.resample(hyperparameters, key, self.probability)


@final
@dataclass(frozen=True)
class Mixture(ExploreStrategy):
    """Every hyperparameter is redrawn with some probability, else perturbed.

    Attributes:
        resample: Probability of redrawing, per hyperparameter, in [0, 1].
        factors: As in `Perturb`.
    """

    resample: float = 0.25
    factors: tuple[float, float] = (0.8, 1.2)

    def __post_init__(self) -> None:
        if not (is_number(self.resample) and 0 <= self.resample <= 1):
            raise UsageError(
                f"`0 <= resample <= 1` must hold, but got Mixture(resample={self.resample!r}): 0.25 is usual"
            )
        object.__setattr__(self, "factors", Perturb(self.factors).factors)

    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        return space.perturb_or_resample(hyperparameters, key, self.factors, self.resample)


@final
@dataclass(frozen=True)
class NoExplore(ExploreStrategy):
    """A clone keeps the donor's hyperparameters as they are."""

    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        return dict(hyperparameters)
