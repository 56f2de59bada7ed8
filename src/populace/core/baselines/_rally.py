"""Rally: once, everybody takes the best member's weights and keeps its own hyperparameters. For pilots.

What members then do differs by their hyperparameters alone, so that their scores tell what a setting is worth from
trained weights, and how soon that can be seen through the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from populace.core._decision import Continue, Decision, Exploit, Retire
from populace.core._looks import Looks
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._score import Failed
from populace.core._segment import Segment, Why
from populace.core._whole import check_whole
from populace.space import Hyperparameters, Key


@final
@dataclass(frozen=True, kw_only=True)
class Rally(Policy):
    """Nobody copies but once: at the ready point at `step`, everybody takes the best member's weights alone.

    Attributes:
        step: Member steps after which it happens; a multiple of the interval.
    """

    step: int

    def __post_init__(self) -> None:
        check_whole("step", self.step, 1, "it is the ready point at which weights are copied")

    def looks(self, size: int) -> Looks:
        return Looks()

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return ()

    def warnings(self, size: int) -> list[str]:
        return []

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        why: Why = {"rule": "rally", "at": self.step, "score": segment.score}
        donor = next((int(m) for m in population.ranking if population.can_donate(int(m))), None)
        is_due = segment.member_end == self.step and segment.member_start < self.step
        if is_due and donor is not None and donor != segment.member:
            source = population.latest[donor]
            assert source is not None, "a donor has ended a segment"
            return Exploit(
                donor=source.id,
                copies_weights=True,
                hyperparameters=segment.hyperparameters,
                why={**why, "donor": str(source.id), "donor_score": source.score},
            )
        if isinstance(segment.outcome, Failed) and segment.fallback is None:
            return Retire(why={**why, "status": segment.status.value})
        return Continue(hyperparameters=segment.hyperparameters, why=why)
