"""Iterated PBT: when the population stops getting better, it starts again with an interval twice as long.

IPBT (Chebykin et al. 2025, arXiv 2511.09190). How often members should be selected depends on the task, and a wrong
interval costs more than most other settings. So the run is cut into *iterations*: the first selects at every ready
point, the next at every second one, then every fourth. An iteration ends when its best score stagnates
(`_stagnation`), if there is room left for two intervals of the next. Then half of the members are given fresh weights,
and those of the others are shrunk and perturbed (`Shrink`): good enough to be ahead of fresh ones, and able to learn
again. Half of the members draw new hyperparameters; the others take, explored, those with which the line that led to
the best score of the iteration began it, since these are what long intervals have to be good at. The best model of the
whole run is kept as in every run, so a restart loses nothing.

What decides inside an iteration is any policy; it sees only the members and segments of the iteration, with the longer
interval as its own. Scores from before a restart say nothing about members after it.

Which iteration a member is in, and since which generation, each decision writes into the log. In lockstep all members
restart at once. Asynchronously whoever finds the iteration stagnating restarts alone, and the others follow at the
first ready point at which they see that.

Departures. New hyperparameters are explored from those of the best line, where IPBT asks a time-varying Gaussian
process over all such pairs. The population is not doubled for the first interval after a restart; `Oversampled` does so
at the start of a run. Every ready point is measured, also those at which nobody decides. A member without a finite
score always begins anew. Asynchronously, a member that is lost in the middle of an iteration may copy one that has not
restarted yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import final

from populace._errors import UsageError
from populace.core._decision import Continue, Decision, Start
from populace.core._looks import Looks
from populace.core._oversampled import Oversampled
from populace.core._pbt import PBT
from populace.core._policy import Policy
from populace.core._population import Population
from populace.core._score import Finite
from populace.core._segment import Segment, SegmentId, Why
from populace.core._shrink import Shrink
from populace.core._stagnation import stagnates
from populace.core._whole import check_whole, is_number
from populace.core.exploit import Truncation
from populace.core.explore import ExploreStrategy, FunctionExplore, Perturb, PlainExplore
from populace.space import Hyperparameters, Key, Value

RULE = "restart"
"""What the log calls the beginning of an iteration."""

_DEPTH = 128
_ROOM = 2


@final
@dataclass(frozen=True, kw_only=True)
class Restart(Policy):
    """Restarts with an interval that is longer each time, whenever the best score stagnates.

    Half of the restarted weights are shrunk and perturbed, which only your code can do: the task must be
    `populace.Shrinkable` too, or a loop must call `member.shrink_by`. With `anew=1.0` all members get fresh weights,
    and nothing is asked of the task.

    Attributes:
        policy: What decides inside an iteration; left out: `PBT.paper()` with its tails of one quarter, as in IPBT.
        growth: How many times as long the interval is after each restart.
        patience: Rounds in a row in which the smoothed best score has not risen, before a restart.
        window: Rounds in which the best score must have risen by a standard deviation of all rounds.
        keep: What shrunk weights keep of themselves, in [0, 1].
        renew: How much of fresh weights they are given, in [0, 1].
        anew: Share of the members that get fresh weights, in [0, 1].
        redrawn: Share of the members that draw new hyperparameters, in [0, 1].
        explore: How the hyperparameters of the best line change for the others; a plain function works too.
    """

    policy: Policy = field(default_factory=lambda: PBT(exploit=Truncation(0.25)))
    growth: int = 2
    patience: int = 3
    window: int = 15
    keep: float = 0.2
    renew: float = 0.1
    anew: float = 0.5
    redrawn: float = 0.5
    explore: ExploreStrategy | PlainExplore = field(default_factory=lambda: Perturb((0.5, 2.0)))

    def __post_init__(self) -> None:
        if not isinstance(self.policy, Policy) or isinstance(self.policy, Restart | Oversampled):
            raise UsageError(
                f"`policy` must be a policy such as PBT.paper(), but got {self.policy!r}: for more starts than members "
                "write Oversampled(keep=..., policy=Restart())"
            )
        if self.policy.looks(1).best or self.policy.looks(1).log:
            raise UsageError(
                f"`policy` must decide by one iteration alone, but got {self.policy!r}, which looks at the whole run "
                "and would undo every restart: use PBT.paper()"
            )
        check_whole("growth", self.growth, 1, "it is how many times as long the interval is after each restart")
        check_whole("patience", self.patience, 1, "it is the rounds in a row without a rise")
        check_whole("window", self.window, 2, "it is the rounds in which the best score must have risen")
        Shrink(keep=self.keep, renew=self.renew)  # knows what these may be
        for name, value in (("anew", self.anew), ("redrawn", self.redrawn)):
            if not is_number(value) or not 0 <= value <= 1:
                raise UsageError(
                    f"`0 <= {name} <= 1` must hold, but got Restart({name}={value!r}): it is a share of the members"
                )
        if not isinstance(self.explore, ExploreStrategy):
            if not callable(self.explore):
                raise UsageError(
                    f"`explore` must be a strategy such as Perturb() or a function, but got {self.explore!r}"
                )
            object.__setattr__(self, "explore", FunctionExplore(self.explore))

    def looks(self, size: int) -> Looks:
        looks = self.policy.looks(size)
        return replace(looks, depth=max(_DEPTH, looks.depth))

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return self.policy.starts

    @property
    def shrinks(self) -> bool:
        return self.anew < 1

    def warnings(self, size: int) -> list[str]:
        return self.policy.warnings(size)

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        place = Place.of(segment)
        following = self._following(population, segment, place)
        if following is not None:
            return self._restarted(population, segment, following, key)
        decision = self._within(population, segment, place, key)
        return replace(decision, why={**decision.why, "iteration": place.iteration, "since": place.since})

    def _following(self, population: Population, segment: Segment, place: Place) -> int | None:
        """Returns the iteration that a member begins now; None where it goes on with its own."""
        newest = population.once((RULE, "newest"), _newest)
        if newest > place.iteration and self._has_room(population, segment, newest):
            return newest
        following = place.iteration + 1
        round_ = self._round(segment, place)
        if round_ is None or not self._has_room(population, segment, following):
            return None
        name = (RULE, "stagnates", place.iteration, round_)
        return following if population.once(name, lambda p: self._stagnates(p, place.iteration, round_)) else None

    def _has_room(self, population: Population, segment: Segment, iteration: int) -> bool:
        if population.steps is None:
            return True
        interval: int = population.interval * self.growth**iteration
        return population.steps - segment.member_end >= _ROOM * interval

    def _round(self, segment: Segment, place: Place) -> int | None:
        """Returns the number, from 0, of the round that a segment ends; None where it ends none."""
        trained = segment.generation - place.since + 1
        period = self.growth**place.iteration
        return None if trained % period else trained // period - 1

    def _stagnates(self, population: Population, iteration: int, last: int) -> bool:
        best: dict[int, float] = {}
        for segment in population.lives(_DEPTH):
            place = Place.of(segment)
            if place.iteration != iteration or not isinstance(segment.outcome, Finite):
                continue
            round_ = self._round(segment, place)
            if round_ is not None and round_ <= last:
                best[round_] = max(best.get(round_, float("-inf")), segment.better(population.mode))
        return stagnates([best[r] for r in sorted(best)], self.patience, self.window)

    def _restarted(self, population: Population, segment: Segment, iteration: int, key: Key) -> Decision:
        why: Why = {
            "rule": RULE,
            "iteration": iteration,
            "since": segment.generation + 1,
            "period": self.growth**iteration,
            "score": segment.score,
        }
        hyperparameters, told = self._begun_with(population, segment, iteration, key)
        why = {**why, **told}
        begins_anew = segment.member in _some(population, iteration, "anew", self.anew)
        if begins_anew or not isinstance(segment.outcome, Finite):
            return Start(hyperparameters=hyperparameters, why=why)
        shrink = Shrink(keep=self.keep, renew=self.renew)
        return Continue(hyperparameters=hyperparameters, why=why, shrink=shrink)

    def _begun_with(
        self, population: Population, segment: Segment, iteration: int, key: Key
    ) -> tuple[Mapping[str, Value], Why]:
        """Returns the hyperparameters with which a member begins an iteration, and where they come from."""
        ended = Place.of(segment).iteration
        base = population.once((RULE, "base", ended), lambda p: _beginning_of_best(p, ended))
        if base is None or segment.member in _some(population, iteration, "redrawn", self.redrawn):
            return population.space.sample(key.fold("draw")), {"from": "prior"}
        assert isinstance(self.explore, ExploreStrategy)
        explored = self.explore.explore(base.hyperparameters, population.space, key.fold("explore"))
        return explored, {"from": str(base.id)}

    def _within(self, population: Population, segment: Segment, place: Place, key: Key) -> Decision:
        if not isinstance(segment.outcome, Finite):
            return self.policy.decide(population, segment, key)
        if self._round(segment, place) is None:
            why: Why = {"rule": "between", "period": self.growth**place.iteration, "score": segment.score}
            return Continue(hyperparameters=segment.hyperparameters, why=why)
        view = population.once((RULE, "view", place.iteration), lambda p: self._view(p, place.iteration))
        return self.policy.decide(view, segment, key)

    def _view(self, population: Population, iteration: int) -> Population:
        """Returns the population as the policy of an iteration sees it."""
        members = [m for m, s in enumerate(population.latest) if s is not None and Place.of(s).iteration == iteration]
        view = population.only(members, _Iteration(population.forest, iteration))
        return replace(view, interval=population.interval * self.growth**iteration)


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a member stands among the iterations."""

    iteration: int
    """The iteration, from 0."""
    since: int
    """The member's first generation in it."""

    @classmethod
    def of(cls, segment: Segment) -> Place:
        """Returns where a segment belongs; to the first iteration where its decision says nothing."""
        iteration, since = segment.why.get("iteration"), segment.why.get("since")
        if isinstance(iteration, int) and isinstance(since, int):
            return cls(iteration=iteration, since=since)
        return cls(iteration=0, since=0)


@final
class _Iteration(Mapping[SegmentId, Segment]):
    """The segments of one iteration alone, so that no ancestry leads back behind its beginning."""

    def __init__(self, forest: Mapping[SegmentId, Segment], iteration: int) -> None:
        self._forest = forest
        self._iteration = iteration

    def __getitem__(self, id: SegmentId) -> Segment:
        segment = self._forest[id]
        if Place.of(segment).iteration != self._iteration:
            raise KeyError(id)
        return segment

    def __iter__(self) -> Iterator[SegmentId]:
        return (id for id in self._forest if id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _newest(population: Population) -> int:
    """Returns the newest iteration that anybody is in."""
    return max(Place.of(s).iteration for s in population.latest if s is not None)


def _some(population: Population, iteration: int, purpose: str, share: float) -> frozenset[int]:
    """Returns members drawn for a restart, the same ones whoever asks."""

    def draw(population: Population) -> frozenset[int]:
        key = Key(population.seed).fold(RULE, iteration, purpose)
        drawn = key.generator().permutation(population.size)[: round(share * population.size)]
        return frozenset(int(member) for member in drawn)

    return population.once((RULE, iteration, purpose, share), draw)


def _beginning_of_best(population: Population, iteration: int) -> Segment | None:
    """Returns the segment with which the line of the best score of an iteration began it; None without a score."""
    # No further back than `lives`: who joined late has loaded no more.
    known = {s.id: s for s in population.lives(_DEPTH) if Place.of(s).iteration == iteration}
    scored = [s for s in known.values() if s.score is not None]
    if not scored:
        return None
    return list(replace(population, forest=known).ancestry(max(scored, key=partial(_rank, population))))[-1]


def _rank(population: Population, segment: Segment) -> tuple[float, int, int]:
    return segment.precedence(population.mode)
