"""Policies: what a run does with its population.

`PBT` composes exploit, explore and guards; `RandomSearch` is PBT without exploit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, TypeVar, final

from populace._errors import UsageError
from populace.core._decision import Continue, Decision, Exploit, Retire, Start, Wait
from populace.core._guard import Guard
from populace.core._population import Population
from populace.core._retention import base_of
from populace.core._score import Failed, Finite
from populace.core._segment import Segment, SegmentId, Why
from populace.core._whole import check_whole
from populace.core.exploit import ExploitStrategy, Keep, NoExploit, Take, Truncation
from populace.core.explore import ExploreStrategy, FunctionExplore, Perturb, PlainExplore
from populace.space import Hyperparameters, Key, Space

E = TypeVar("E", bound=Enum)


class Copy(Enum):
    """What an exploit copies. Both is the paper's and the best in its ablation; the others are for experiments."""

    BOTH = "both"
    WEIGHTS = "weights"
    HYPERPARAMETERS = "hyperparameters"
    NOTHING = "nothing"


class Compare(Enum):
    """Which scores are compared: the newest published, or those at the asking member's progress (weight steps)."""

    LATEST = "latest"
    EQUAL_PROGRESS = "equal progress"


class Policy(ABC):
    """Decides for one member from one snapshot. Pure: the same arguments give the same decision, anywhere."""

    needs_log: ClassVar[bool] = False
    """Whether it looks at all segments up to each member's newest, not at ancestries alone."""

    @abstractmethod
    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        """Returns what the member whose newest ended segment this is does next."""

    @property
    @abstractmethod
    def memory(self) -> int:
        """How many evaluations back along the ancestry it looks."""

    @property
    @abstractmethod
    def needs_history(self) -> bool:
        """Whether it looks at segments older than the newest of each member."""

    @property
    @abstractmethod
    def starts(self) -> tuple[Hyperparameters, ...]:
        """Hyperparameters that the first members begin with, instead of drawn ones."""

    @abstractmethod
    def warnings(self, size: int) -> list[str]:
        """Returns what the user should know of this policy in a population of `size` members, a line each."""


@final
@dataclass(frozen=True, kw_only=True)
class PBT(Policy):
    """Population Based Training (Jaderberg et al. 2017, algorithm 1).

    At a ready point a member asks `exploit` whether to copy another member's weights and hyperparameters; if it does,
    `explore` changes the hyperparameters, and only then. Departures from the paper: a member that diverged or failed is
    always replaced (even in the burn-in), and a clone is judged after it has trained an interval instead of being
    evaluated at once. A member whose checkpoint is damaged goes back to its last good ancestor, weights and
    hyperparameters; where it has none it is replaced, and where nobody can be copied it begins anew.

    Attributes:
        exploit: Who copies whom.
        explore: How copied hyperparameters change; a plain function `(hyperparameters, space, key) -> hyperparameters`
            works too.
        copy: What is copied: "both", or for experiments "weights", "hyperparameters" or "nothing" (explore only).
        compare: "latest" compares with what the others last published; "equal progress" with what they had when their
            weights had seen as many steps as the member's. What is copied is the donor's newest segment either way.
        burn_in: Weight steps before which nobody with a finite score copies.
        guard: Conditions that a copy must meet beyond being chosen.
        initial: Hyperparameters known to be good, one mapping per member, for the first members to begin with; names
            left out are drawn.
    """

    exploit: ExploitStrategy = field(default_factory=Truncation)
    explore: ExploreStrategy | PlainExplore = field(default_factory=Perturb)
    copy: Copy | str = Copy.BOTH
    compare: Compare | str = Compare.LATEST
    burn_in: int = 0
    guard: Guard = field(default_factory=Guard)
    initial: Sequence[Hyperparameters] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "copy", _member_of(Copy, "copy", self.copy))
        object.__setattr__(self, "compare", _member_of(Compare, "compare", self.compare))
        if not isinstance(self.exploit, ExploitStrategy):
            raise UsageError(
                f"`exploit` must be a strategy such as Truncation(0.2) or TTest(), but got {self.exploit!r}"
            )
        if not isinstance(self.explore, ExploreStrategy):
            if not isinstance(self.explore, Callable):  # type: ignore[arg-type]  # the ABC serves isinstance
                raise UsageError(
                    f"`explore` must be a strategy such as Perturb() or a function, but got {self.explore!r}"
                )
            object.__setattr__(self, "explore", FunctionExplore(self.explore))
        if not isinstance(self.guard, Guard):
            raise UsageError(f"`guard` must be a Guard such as Guard(min_std=0.5), but got {self.guard!r}")
        check_whole("burn_in", self.burn_in, 0, "it counts steps")
        if not isinstance(self.initial, Sequence) or not all(isinstance(given, Mapping) for given in self.initial):
            raise UsageError(
                f"`initial` must be a list of hyperparameters, one mapping per member, but got {self.initial!r}: "
                "write [{'lr': 0.1}]"
            )
        object.__setattr__(self, "initial", tuple(dict(given) for given in self.initial))

    @property
    def memory(self) -> int:
        return self.exploit.memory

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return tuple(self.initial)

    @property
    def needs_history(self) -> bool:
        return self.compare is Compare.EQUAL_PROGRESS

    def warnings(self, size: int) -> list[str]:
        return self.exploit.warnings(size)

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        member, own = segment.member, segment.hyperparameters
        if segment.parent_damaged:
            return self._fall_back(population, segment, key)
        if not isinstance(segment.outcome, Finite):
            return self._replace(population, segment, key)
        if segment.end_step < self.burn_in:
            why: Why = {"rule": "burn-in", "step": segment.end_step, "until": self.burn_in}
            return Continue(hyperparameters=own, why=why)
        view = population.at_progress(segment.end_step) if self.compare is Compare.EQUAL_PROGRESS else population
        answer = self.exploit.choose(view, member, key.fold("exploit"))
        why = {**answer.why, "score": segment.outcome.value}
        if isinstance(answer, Keep):
            return Continue(hyperparameters=own, why=why)
        objection = self.guard.objection(view, member, answer.donor)
        if objection is None:
            return self._take(population, segment, answer, key)
        why = {**why, "rival": answer.donor, "guard": objection}
        explored = self._explore(population, own, key) if self.guard.explores else own
        return Continue(hyperparameters=explored, why=why)

    def _fall_back(self, population: Population, segment: Segment, key: Key) -> Decision:
        """Goes on from what is left of a member whose checkpoint is damaged."""
        lost: Why = {"rule": "damaged", "lost": str(segment.parent)}
        if segment.fallback is not None:
            good = population.forest[segment.fallback]
            return Continue(hyperparameters=good.hyperparameters, why={**lost, "from": str(good.id)})
        donors = self.exploit.donors(population, segment.member)
        if donors:
            return self._clone(population, segment, _one_of(donors, key), lost, key, copy=Copy.BOTH)
        first = start(population.space, population.seed, segment.member, self.starts)
        return Start(hyperparameters=first.hyperparameters, why={**lost, "from": "init"})

    def _replace(self, population: Population, segment: Segment, key: Key) -> Decision:
        """Replaces a member that diverged or failed, if there is anybody to replace it with."""
        donors = self.exploit.donors(population, segment.member)
        why: Why = {"rule": "replace", "status": segment.status.value, "num_donors": len(donors)}
        if not donors and isinstance(segment.outcome, Failed):
            hopes = not isinstance(self.exploit, NoExploit) and population.num_unknown > 0
            return Wait(why={**why, "num_unknown": population.num_unknown}) if hopes else Retire(why=why)
        if not donors:
            return Continue(hyperparameters=segment.hyperparameters, why=why)
        return self._clone(population, segment, _one_of(donors, key), why, key, copy=Copy.BOTH)

    def _take(self, population: Population, segment: Segment, answer: Take, key: Key) -> Continue | Exploit:
        assert isinstance(self.copy, Copy)
        if self.copy is Copy.NOTHING:
            explored = self._explore(population, segment.hyperparameters, key)
            return Continue(hyperparameters=explored, why={**answer.why, "score": segment.score, "explored": True})
        return self._clone(population, segment, answer.donor, answer.why, key, copy=self.copy)

    def _clone(
        self, population: Population, segment: Segment, donor: int, why: Why, key: Key, *, copy: Copy
    ) -> Exploit:
        source = population.latest[donor]
        assert source is not None, "a donor has ended a segment"
        base = segment.hyperparameters if copy is Copy.WEIGHTS else source.hyperparameters
        return Exploit(
            donor=source.id,
            copies_weights=copy is not Copy.HYPERPARAMETERS,
            hyperparameters=self._explore(population, base, key),
            why={**why, "score": segment.score, "donor": str(source.id), "donor_score": source.score},
        )

    def _explore(self, population: Population, base: Hyperparameters, key: Key) -> Hyperparameters:
        assert isinstance(self.explore, ExploreStrategy)
        return self.explore.explore(base, population.space, key.fold("explore"))


def RandomSearch(*, initial: Sequence[Hyperparameters] = ()) -> PBT:  # noqa: N802 - reads as a policy beside PBT()
    """Returns random search: the same engine with exploit off, so the same start and the same code path.

    Args:
        initial: As in `PBT`.
    """
    return PBT(exploit=NoExploit(), initial=initial)


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
        donor = population.latest[decision.donor.member]
        assert decision.donor.member != member, "a member is never its own donor"
        assert donor is not None, "a donor has ended a segment"
        assert donor.id == decision.donor, "a donor's newest segment is copied"
        assert donor.can_donate, "a donor has a finite score and a checkpoint"
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


def _one_of(donors: Sequence[int], key: Key) -> int:
    return donors[int(key.fold("exploit").generator().integers(len(donors)))]


def _member_of(kind: type[E], name: str, value: E | str) -> E:
    try:
        return kind(value.value if isinstance(value, Enum) else value)
    except ValueError:
        allowed = ", ".join(repr(option.value) for option in kind)
        raise UsageError(f"`{name}` must be one of {allowed}, but got {value!r}") from None
