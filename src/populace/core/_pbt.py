"""`PBT` composes exploit, explore and guards; `MFPBT` and `RandomSearch` are compositions of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import final

from populace._errors import UsageError
from populace.core._decision import Continue, Decision, Exploit, Retire, Start, Wait
from populace.core._guard import Guard
from populace.core._looks import Looks
from populace.core._policy import Policy, start
from populace.core._population import Population
from populace.core._score import Failed, Finite
from populace.core._segment import Segment, Why
from populace.core._whole import check_whole, option_of
from populace.core.exploit import ExploitStrategy, Halves, Keep, MultiFrequency, NoExploit, Take, Truncation
from populace.core.explore import (
    ExploreStrategy,
    FunctionExplore,
    InformedExplore,
    PacedExplore,
    Perturb,
    PlainExplore,
    Scene,
    Strides,
    explored,
)
from populace.space import Hyperparameters, Key


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


@final
@dataclass(frozen=True, kw_only=True)
class PBT(Policy):
    """Population Based Training (Jaderberg et al. 2017, algorithm 1), by default in a robust form.

    `PBT()` alone begins as random search does, and the worse half of the members becomes greedy: it copies its best
    every 1 % of the run, where they are better beyond the noise of the scores, and explores by steps that fit that
    time; every fifth of the run its worse half sets out anew from the best of those that have kept their draw, unless
    greed has got clearly away; where it pulls away the others join it. Near the end nearly all go on from the best,
    where that is clear. Where an interval is 5 % of the run or more, all are greedy but the best fifth. (`Halves` and
    `Strides`; docs/decisions/0012-robust-default.md, 0018-no-draw-is-given-up.md, 0019-where-greed-pulls-away.md.)
    It is made to win over random search wherever hyperparameters should move, and not to lose to it where greed or
    noise would mislead the paper's algorithm, whatever the interval. Take `PBT.paper()` to reproduce the paper, or
    where being greedy is known to be right and scores are exact: it follows faster. Take no PBT at all, but
    `RandomSearch()` or a sequential search, where a good constant exists and runs are cheap to repeat. As soon
    as `exploit` or `explore` is given, the policy is composed by hand, and what is left out is the paper's.

    At a ready point a member asks `exploit` whether to copy another member's weights and hyperparameters; if it does,
    `explore` changes the hyperparameters, and only then. Departures from the paper: a member that diverged or failed is
    always replaced (even in the burn-in), and a clone is judged after it has trained an interval instead of being
    evaluated at once. A member whose checkpoint is damaged goes back to its last good ancestor, weights and
    hyperparameters; where it has none it is replaced, and where nobody can be copied it begins anew.

    Attributes:
        exploit: Who copies whom; left out: `Halves()`, or where `explore` is given, `Truncation(0.2)`.
        explore: How copied hyperparameters change; a plain function `(hyperparameters, space, key) -> hyperparameters`
            works too. Left out: `Strides()`, or where `exploit` is given, `Perturb((0.8, 1.2))`.
        copy: What is copied: "both", or for experiments "weights", "hyperparameters" or "nothing" (explore only).
        compare: "latest" compares with what the others last published; "equal progress" with what they had when their
            weights had seen as many steps as the member's. What is copied is the donor's newest segment either way.
        burn_in: Weight steps before which nobody with a finite score copies.
        guard: Conditions that a copy must meet beyond being chosen.
        initial: Hyperparameters known to be good, one mapping per member, for the first members to begin with; names
            left out are drawn.
    """

    exploit: ExploitStrategy = None  # type: ignore[assignment]  # filled in at once, by what else is given
    explore: ExploreStrategy | InformedExplore | PlainExplore = None  # type: ignore[assignment]  # as above
    copy: Copy | str = Copy.BOTH
    compare: Compare | str = Compare.LATEST
    burn_in: int = 0
    guard: Guard = field(default_factory=Guard)
    initial: Sequence[Hyperparameters] = ()

    def __post_init__(self) -> None:
        for name, value in self._left_out().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        object.__setattr__(self, "copy", option_of(Copy, "copy", self.copy))
        object.__setattr__(self, "compare", option_of(Compare, "compare", self.compare))
        if not isinstance(self.exploit, ExploitStrategy):
            raise UsageError(
                f"`exploit` must be a strategy such as Truncation(0.2) or TTest(), but got {self.exploit!r}"
            )
        if not isinstance(self.explore, ExploreStrategy | InformedExplore):
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

    @staticmethod
    def paper(*, initial: Sequence[Hyperparameters] = ()) -> PBT:
        """Returns the paper's algorithm: `Truncation(0.2)` and `Perturb((0.8, 1.2))`, comparing the newest scores.

        Args:
            initial: As in `PBT`.
        """
        return PBT(exploit=Truncation(), explore=Perturb(), initial=initial)

    def _left_out(self) -> dict[str, object]:
        """Returns what stands for the parts that are not given: all of the default policy, or the paper's."""
        if self.exploit is None and self.explore is None:
            return {"exploit": Halves(), "explore": Strides()}
        return {"exploit": Truncation(), "explore": Perturb()}

    def looks(self, size: int) -> Looks:
        looks = self.exploit.looks(size)
        return replace(
            looks,
            history=looks.history or self.compare is Compare.EQUAL_PROGRESS,
            depth=max(looks.depth, self.explore.depth(size) if isinstance(self.explore, InformedExplore) else 0),
        )

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return tuple(self.initial)

    @property
    def shrinks(self) -> bool:
        return False

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
        if self.guard.explores:
            own = self._explore(population, segment, own, segment, key, answer.generation)
        return Continue(hyperparameters=own, why=why)

    def _fall_back(self, population: Population, segment: Segment, key: Key) -> Decision:
        """Goes on from what is left of a member whose checkpoint is damaged."""
        lost: Why = {"rule": "damaged", "lost": str(segment.parent)}
        if segment.fallback is not None:
            good = population.forest[segment.fallback]
            return Continue(hyperparameters=good.hyperparameters, why={**lost, "from": str(good.id)})
        donors = self.exploit.donors(population, segment.member)
        if donors:
            return self._clone(population, segment, Take(donor=_one_of(donors, key), why=lost), key, copy=Copy.BOTH)
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
        return self._clone(population, segment, Take(donor=_one_of(donors, key), why=why), key, copy=Copy.BOTH)

    def _take(self, population: Population, segment: Segment, answer: Take, key: Key) -> Continue | Exploit:
        assert isinstance(self.copy, Copy)
        if self.copy is Copy.NOTHING:
            changed = self._explore(population, segment, segment.hyperparameters, segment, key, answer.generation)
            return Continue(hyperparameters=changed, why={**answer.why, "score": segment.score, "explored": True})
        return self._clone(population, segment, answer, key, copy=self.copy)

    def _clone(self, population: Population, segment: Segment, take: Take, key: Key, *, copy: Copy) -> Exploit:
        donor = _newest(population, take.donor) if take.segment is None else population.best
        assert donor is not None, "the best is copied only where there is one"
        why = {**take.why, "score": segment.score, "donor": str(donor.id), "donor_score": donor.score}
        source = None
        given = segment.hyperparameters if copy is Copy.WEIGHTS else donor.hyperparameters
        if take.source is not None and copy is not Copy.WEIGHTS:
            origin = _newest(population, take.source)
            given, source, why = origin.hyperparameters, origin.id, {**why, "hyperparameters": str(origin.id)}
        base = segment if copy is Copy.HYPERPARAMETERS else donor
        return Exploit(
            donor=donor.id,
            copies_weights=copy is not Copy.HYPERPARAMETERS,
            hyperparameters=(
                self._explore(population, segment, given, base, key, take.generation) if take.explores else dict(given)
            ),
            why=why,
            source=source,
        )

    def _explore(
        self,
        population: Population,
        segment: Segment,
        given: Hyperparameters,
        base: Segment,
        key: Key,
        generation: float | None,
    ) -> Hyperparameters:
        assert isinstance(self.explore, ExploreStrategy | InformedExplore)
        explore = self.explore
        if isinstance(explore, PacedExplore):
            explore = explore.paced(population.interval_share if generation is None else generation)
        scene = Scene(population=population, member=segment.member, base=base)
        return explored(explore, given, scene, key.fold("explore"))


def RandomSearch(*, initial: Sequence[Hyperparameters] = ()) -> PBT:  # noqa: N802 - reads as a policy beside PBT()
    """Returns random search: the same engine with exploit off, so the same start and the same code path.

    Args:
        initial: As in `PBT`.
    """
    return PBT(exploit=NoExploit(), initial=initial)


def MFPBT(  # noqa: N802 - reads as a policy beside PBT()
    *,
    periods: Sequence[int] = (1, 10, 25, 50),
    explore: ExploreStrategy | PlainExplore | None = None,
    guard: Guard | None = None,
    initial: Sequence[Hyperparameters] = (),
) -> PBT:
    """Returns MF-PBT (Doulazmi et al. 2025): groups that decide at several frequencies, with asymmetric migration.

    Args:
        periods: Ready points between two turns of each group, rising from 1.
        explore: As in `PBT`; None: `Perturb((0.8, 1.25))`, the paper's.
        guard: As in `PBT`.
        initial: As in `PBT`.
    """
    return PBT(
        exploit=MultiFrequency(tuple(periods)),
        explore=Perturb((0.8, 1.25)) if explore is None else explore,
        guard=guard or Guard(),
        initial=initial,
    )


def _newest(population: Population, member: int) -> Segment:
    newest = population.latest[member]
    assert newest is not None, "who is copied has ended a segment"
    return newest


def _one_of(donors: Sequence[int], key: Key) -> int:
    return donors[int(key.fold("exploit").generator().integers(len(donors)))]
