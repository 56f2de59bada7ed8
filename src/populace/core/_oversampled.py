"""Oversampled start: more members begin than go on; after one interval the best starts are kept.

BG-PBT (Wan et al. 2022, AutoML-Conf, arXiv 2207.09405, section 3.4: 24 starts for a population of 8) and IPBT (Chebykin
et al. 2025, arXiv 2511.09190: twice the population) train more starts than they keep, since a bad one costs an interval
here and a place in the population later.

The run's population is the number of starts. Members 0 to keep - 1 go on, the others end with their first segment.
Whoever goes on and is not among the best starts copies one of those whose member ends, weights and hyperparameters as
they are, the best first to the lowest number; so every kept start goes on in exactly one member. The cost is that of a
population of `keep`, and an interval more for every other start.

Departures. In asynchronous mode nobody goes on before every start is known: once, after the first interval. Where fewer
than `keep` starts have finite scores, the others are treated as members that diverged are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

from populace._errors import UsageError
from populace.core._decision import Continue, Decision, Exploit, Retire, Wait
from populace.core._looks import Looks
from populace.core._pbt import PBT
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._segment import Segment, Why
from populace.core._whole import check_whole
from populace.space import Hyperparameters, Key

RULE = "oversampled"
"""What the log calls the end of a start that is not kept."""


@final
@dataclass(frozen=True, kw_only=True)
class Oversampled(Policy):
    """Trains every member for one interval, keeps the best starts, and goes on with them as another policy says.

    Attributes:
        keep: Members that go on; the run's `population` is the number of starts.
        policy: What decides among them.
    """

    keep: int
    policy: Policy = field(default_factory=PBT)

    def __post_init__(self) -> None:
        check_whole("keep", self.keep, 1, "it is the members that go on; half of the population, or a third, is usual")
        if not isinstance(self.policy, Policy) or isinstance(self.policy, Oversampled):
            raise UsageError(f"`policy` must be a policy such as PBT(), but got {self.policy!r}")

    def looks(self, size: int) -> Looks:
        looks = self.policy.looks(min(self.keep, size))
        return replace(looks, depth=max(2, looks.depth))

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return self.policy.starts

    def warnings(self, size: int) -> list[str]:
        lines = self.policy.warnings(min(self.keep, size))
        if size <= self.keep:
            lines.append(
                f"a population of {size} keeps all of its starts: Oversampled(keep={self.keep}) needs a larger one"
            )
        return lines

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        if segment.member >= self.keep:
            return Retire(why={"rule": RULE, "keep": self.keep, "of": population.size, "score": segment.score})
        if segment.generation == 0:
            if population.num_unknown:
                return Wait(why={"rule": RULE, "num_unknown": population.num_unknown})
            decision = self._among_starts(population, segment)
            if decision is not None:
                return decision
        return self.policy.decide(population.first(self.keep), segment, key)

    def _among_starts(self, population: Population, segment: Segment) -> Decision | None:
        """Returns how a member goes on from the best starts; None where there is none for it."""
        starts = _starts(population)
        standing = population.standing_at(starts)
        best = [int(m) for m in standing.ranking[: self.keep] if standing.can_donate(int(m))]
        rank = 1 + standing.num_above(segment.member)
        why: Why = {"rule": RULE, "rank": rank, "keep": self.keep, "of": population.size, "score": segment.score}
        if segment.member in best:
            return Continue(hyperparameters=segment.hyperparameters, why=why)
        free = [m for m in best if m >= self.keep]
        place = sum(1 for m in range(segment.member) if m not in best)
        if place >= len(free):
            return None
        donor = starts[free[place]]
        return Exploit(
            donor=donor.id,
            copies_weights=True,
            hyperparameters=donor.hyperparameters,
            why={**why, "donor": str(donor.id), "donor_score": donor.score},
        )


def _starts(population: Population) -> Mapping[int, Segment]:
    """Returns the members' first segments, of whoever is past its second its last but one.

    Members that go on at once may be ahead of one that decides late; what they are then stands for what they were.
    """
    starts: dict[int, Segment] = {}
    for segment in population.lives(2):
        starts.setdefault(segment.member, segment)
    return starts
