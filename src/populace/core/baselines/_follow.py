"""Following a schedule that is given: every member trains along it, nobody copies anybody.

A control: it tells how much of what PBT found lies in the schedule, and how much in copying weights that happened to be
good. Population Based Augmentation (Ho et al. 2019, arXiv 1905.05393) trains its final models this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from populace._errors import UsageError
from populace.core._decision import Continue, Decision, Retire
from populace.core._looks import Looks
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._schedule import Schedule
from populace.core._score import Failed
from populace.core._segment import Segment
from populace.core._whole import check_whole
from populace.space import Hyperparameters, Key, Value


@final
@dataclass(frozen=True, kw_only=True)
class Follow(Policy):
    """Every member follows one schedule; after its end the last hyperparameters hold.

    Attributes:
        schedule: The schedule, as the JSON text of `Schedule.to_json`.
        members: How many members begin with its first hyperparameters: the population.
    """

    schedule: str
    members: int

    def __post_init__(self) -> None:
        check_whole("members", self.members, 1, "it is the number of members")
        if not Schedule.from_json(self.schedule).pieces:
            raise UsageError("`schedule` must have at least one piece, but got an empty one: train a run first")

    def looks(self, size: int) -> Looks:
        return Looks()

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return (self._at(0),) * self.members

    def warnings(self, size: int) -> list[str]:
        return []

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        if isinstance(segment.outcome, Failed) and segment.fallback is None:
            return Retire(why={"rule": "follow", "status": segment.status.value})
        base = segment if segment.fallback is None else population.forest[segment.fallback]
        step = base.end_step
        return Continue(
            hyperparameters={**segment.hyperparameters, **self._at(step)}, why={"rule": "follow", "step": step}
        )

    def _at(self, step: int) -> Mapping[str, Value]:
        return Schedule.from_json(self.schedule)(step)
