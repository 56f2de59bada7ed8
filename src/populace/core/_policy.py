"""Policies: what a run does with its population, and the question that every worker asks of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from populace.core._decision import Continue, Decision, Exploit, Start
from populace.core._looks import Looks
from populace.core._population import Population
from populace.core._retention import base_of
from populace.core._segment import Segment, SegmentId
from populace.space import Hyperparameters, Key, Space


class Policy(ABC):
    """Decides for one member from one snapshot. Pure: the same arguments give the same decision, anywhere."""

    @abstractmethod
    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        """Returns what the member whose newest ended segment this is does next."""

    @abstractmethod
    def looks(self, size: int) -> Looks:
        """Returns what it looks at in a population of `size` members."""

    @property
    @abstractmethod
    def starts(self) -> tuple[Hyperparameters, ...]:
        """Hyperparameters that the first members begin with, instead of drawn ones."""

    @abstractmethod
    def warnings(self, size: int) -> list[str]:
        """Returns what the user should know of this policy in a population of `size` members, a line each."""


def decide(population: Population, member: int, policy: Policy, key: Key) -> Decision:
    """Returns what a member that has ended a segment does next. Total and pure.

    Args:
        population: A snapshot in which the member has ended a segment.
        member: The member, 0..N-1.
        policy: What the run does.
        key: `decision_key(seed, member, generation)` of the generation to begin.

    Raises:
        AssertionError: The policy broke a promise (a bug of the policy): it chose the member itself or a donor without
            a finite score.
    """
    segment = population.latest[member]
    assert segment is not None, "generation 0 is begun by `start`"
    decision = policy.decide(population, segment, key)
    if isinstance(decision, Start | Continue | Exploit) and decision.hyperparameters is not segment.hyperparameters:
        population.space.check(decision.hyperparameters)
    if isinstance(decision, Exploit):
        newest, best = population.latest[decision.donor.member], population.best
        is_best = best is not None and best.id == decision.donor and policy.looks(population.size).best
        donor = best if is_best else newest
        assert decision.donor != segment.id, "a member is never its own donor"
        assert donor is not None, "a donor has ended a segment"
        assert donor.id == decision.donor, "a donor's newest segment is copied, or the best of the run"
        assert donor.can_donate, "a donor has a finite score and a checkpoint"
        source = donor if decision.source is None else population.latest[decision.source.member]
        assert source is not None, "hyperparameters come from a segment that has ended"
        assert decision.source in (None, source.id), "a member's newest hyperparameters are taken"
    return decision


def decision_key(seed: int, member: int, generation: int) -> Key:
    """Returns the key of the decision that begins a generation."""
    return Key(seed).fold(member, generation, "decide")


def start(space: Space, seed: int, member: int, starts: Sequence[Hyperparameters] = ()) -> Start:
    """Returns how a member begins its life: as it was given, the rest drawn from its own key.

    Args:
        space: The search space.
        seed: The run's seed.
        member: The member, 0..N-1.
        starts: Hyperparameters that the first members begin with.
    """
    drawn = space.sample(Key(seed).fold(member, 0, "start"))
    if member < len(starts):
        return Start(
            hyperparameters={**drawn, **starts[member]}, why={"rule": "given", "names": sorted(starts[member])}
        )
    return Start(hyperparameters=drawn, why={"rule": "start"})


def parent_of(decision: Start | Continue | Exploit, newest: Segment) -> SegmentId | None:
    """Returns the segment whose weights a decision goes on from; a failed segment changed none, so its parent's."""
    match decision:
        case Start():
            return None
        case Exploit(donor=donor, copies_weights=True):
            return donor
        case _:
            return base_of(newest)
