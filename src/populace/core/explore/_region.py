"""Trust region: how far a clone moves from its donor adapts to whether such moves have paid.

After BG-PBT (Wan et al. 2022, AutoML-Conf, arXiv 2207.09405, section 3.1), which takes it from Casmopolitan: new values
lie in a box around the donor's. When the best of a round has tried something new in three rounds in a row, the box
grows; after ten rounds in a row in which it had not, it shrinks; once it is at its smallest, the search begins anew.

Departures. The box needs no model here: values are drawn evenly in it (`PB2(region=TrustRegion())` seeks in it, as the
paper does). A round is a generation that half of the members have ended; rounds in which nothing new was tried do not
count; the box is worked out from the last `rounds` of them, so that a decision needs a bounded part of the log.
Beginning anew is one round in which clones draw all values from their priors. Unordered choices are redrawn with a
probability that grows and shrinks alike (the paper bounds how many of them change). Sides are not weighted by fitted
lengths.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple, final

from populace._errors import UsageError
from populace.core._population import Population
from populace.core._segment import Segment
from populace.core._whole import check_whole, is_number
from populace.core.explore._explore import InformedExplore, Scene
from populace.space import Choice, Constant, Dimension, Hyperparameters, Key, Value

_FEWEST_CHOICES = 0.1


class Box(NamedTuple):
    """The region as it stands."""

    length: float
    """Its side, as a share of every dimension."""
    choices: float
    """With what probability an unordered choice is redrawn."""
    successes: int = 0
    """Rounds in a row that the best has tried something new."""
    failures: int = 0
    """Rounds in a row that it has not."""


@final
@dataclass(frozen=True, kw_only=True)
class TrustRegion(InformedExplore):
    """Values are drawn in a box around the donor's that grows while new ones win, and shrinks while they do not.

    Attributes:
        length: The box's first side, as a share of every dimension's range on its own scale.
        shortest: Its smallest side; there the search begins anew.
        longest: Its largest side.
        factor: What it grows and shrinks by.
        successes: Winning rounds in a row after which it grows.
        failures: Other rounds in a row after which it shrinks.
        rounds: How many rounds back it looks.
    """

    length: float = 0.4
    shortest: float = 0.15
    longest: float = 1.0
    factor: float = 1.5
    successes: int = 3
    failures: int = 10
    rounds: int = 100

    def __post_init__(self) -> None:
        sides = (self.shortest, self.length, self.longest)
        if not (all(map(is_number, sides)) and 0 < self.shortest < self.length <= self.longest <= 1):
            raise UsageError(
                "`0 < shortest < length <= longest <= 1` must hold, but got "
                f"TrustRegion(shortest={self.shortest!r}, length={self.length!r}, longest={self.longest!r}): they are "
                "shares of a dimension's range"
            )
        if not (is_number(self.factor) and 1 < self.factor < math.inf):
            raise UsageError(f"`1 < factor < inf` must hold, but got TrustRegion(factor={self.factor!r}): 1.5 is usual")
        check_whole("successes", self.successes, 1, "3 rounds in a row are usual")
        check_whole("failures", self.failures, 1, "10 rounds in a row are usual")
        check_whole("rounds", self.rounds, 1, "it is how many rounds back to look; 100 is usual", most=10_000)

    def depth(self, size: int) -> int:
        return self.rounds

    def explore(self, hyperparameters: Hyperparameters, scene: Scene, key: Key) -> dict[str, Value]:
        population, space = scene.population, scene.population.space
        box = self.box(population)
        if self.begins_anew(box):
            return space.resample(hyperparameters, key)
        active = space.active(hyperparameters)
        return {
            name: self._moved(dimension, hyperparameters[name], box, key.fold(name))
            if name in active
            else hyperparameters[name]
            for name, dimension in space.items()
        }

    def box(self, population: Population) -> Box:
        """Returns the region as the last rounds have left it."""
        box = self.first
        for success in _outcomes(population, self.rounds):
            box = self.after(box, success=success)
        return box

    @property
    def first(self) -> Box:
        """The region at the beginning."""
        return Box(self.length, 1.0)

    def begins_anew(self, box: Box) -> bool:
        """Whether the box is at its smallest: clones draw everything from the priors."""
        return box.length <= self.shortest

    def after(self, box: Box, *, success: bool) -> Box:
        """Returns the region after one more round."""
        if self.begins_anew(box):
            box = self.first
        length, choices = box.length, box.choices
        successes, failures = (box.successes + 1, 0) if success else (0, box.failures + 1)
        if successes == self.successes:
            return Box(min(self.longest, length * self.factor), min(1.0, choices * self.factor))
        if failures == self.failures:
            return Box(max(self.shortest, length / self.factor), max(_FEWEST_CHOICES, choices / self.factor))
        return Box(length, choices, successes, failures)

    def _moved(self, dimension: Dimension, value: Value, box: Box, key: Key) -> Value:
        generator = key.generator()
        if isinstance(dimension, Constant):
            return value
        if isinstance(dimension, Choice):
            return dimension.resample(generator) if generator.random() < box.choices else value
        low, high = bounds(dimension.to_unit(value), box)
        return dimension.from_unit(low + (high - low) * float(generator.random()))


def bounds(place: float, box: Box) -> tuple[float, float]:
    """Returns the ends of a box around a place in the unit interval."""
    return max(0.0, place - box.length / 2), min(1.0, place + box.length / 2)


def _outcomes(population: Population, rounds: int) -> list[bool]:
    """Returns for each of the last rounds in which something new was tried whether the best had tried it."""
    by_round: dict[int, list[Segment]] = defaultdict(list)
    for segment in population.lives(rounds):
        by_round[segment.generation].append(segment)
    newest = max(by_round, default=0)
    outcomes = []
    for generation in sorted(by_round):
        group = by_round[generation]
        new = [s for s in group if _is_new(population, s)]
        if not generation > newest - rounds or 2 * len(group) < population.size or not new:
            continue
        best = max(group, key=lambda s: (s.better(population.mode), -s.member))
        outcomes.append(best in new)
    return outcomes


def _is_new(population: Population, segment: Segment) -> bool:
    """Whether a segment trained its weights with other hyperparameters than before."""
    parent = None if segment.parent is None else population.forest.get(segment.parent)
    return parent is not None and dict(parent.hyperparameters) != dict(segment.hyperparameters)
