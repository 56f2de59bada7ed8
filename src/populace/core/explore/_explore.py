"""What an explore strategy is: hyperparameters in, hyperparameters out; of two kinds, by what else they look at."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from populace._errors import UsageError
from populace.core._population import Population
from populace.core._segment import Segment
from populace.space import Hyperparameters, Key, Space, Value

PlainExplore = Callable[[Hyperparameters, Space, Key], Hyperparameters]
"""A user's own explore: `(hyperparameters, space, key) -> hyperparameters`."""


class ExploreStrategy(ABC):
    """Changes copied hyperparameters. It depends on its arguments alone and stays inside the space."""

    @abstractmethod
    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        """Returns the hyperparameters to train with next."""


class PacedExplore(ExploreStrategy):
    """Changes hyperparameters the more, the longer it is until they may change again."""

    @abstractmethod
    def paced(self, generation: float) -> ExploreStrategy:
        """Returns this strategy for generations of this share of the run."""


@final
@dataclass(frozen=True, kw_only=True)
class Scene:
    """Who explores, and in which population."""

    population: Population
    """The snapshot of the decision."""
    member: int
    """The member that explores."""
    base: Segment
    """The ended segment whose weights it trains on: the donor's, or its own where only hyperparameters change."""


class InformedExplore(ABC):
    """Changes hyperparameters by what the population has trained so far.

    It depends on its arguments alone and stays inside the space. Of the population it may look at the newest `depth`
    segments of each member, at the parents of those, and at the base: the worker loads no more.
    """

    @abstractmethod
    def depth(self, size: int) -> int:
        """Returns how many of each member's newest segments it looks at in a population of `size`."""

    @abstractmethod
    def explore(self, hyperparameters: Hyperparameters, scene: Scene, key: Key) -> dict[str, Value]:
        """Returns the hyperparameters to train with next."""


def explored(
    strategy: ExploreStrategy | InformedExplore, hyperparameters: Hyperparameters, scene: Scene, key: Key
) -> dict[str, Value]:
    """Returns what a strategy of either kind makes of hyperparameters."""
    if isinstance(strategy, InformedExplore):
        return strategy.explore(hyperparameters, scene, key)
    return strategy.explore(hyperparameters, scene.population.space, key)


@final
@dataclass(frozen=True)
class FunctionExplore(ExploreStrategy):
    """A user's function as a strategy: what it returns is clipped to the space and checked."""

    function: PlainExplore

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.function).bind({}, None, None)
        except TypeError as error:
            raise UsageError(
                f"an explore function takes (hyperparameters, space, key), but {self.function} does not: {error}"
            ) from None

    def explore(self, hyperparameters: Hyperparameters, space: Space, key: Key) -> dict[str, Value]:
        changed = dict(self.function(dict(hyperparameters), space, key))
        clipped = space.clip({**hyperparameters, **changed})
        space.check(clipped)
        return clipped
