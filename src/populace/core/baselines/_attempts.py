"""Attempts: a member tries one setting after another, each from fresh weights. The rival that people use by hand.

With one member this is sequential search: somebody trains, looks at the result, chooses the next setting and trains
again. With many members whose attempts are stopped early it is asynchronous successive halving (Li et al. 2020, arXiv
1810.05934, algorithm 2, in the form of Optuna's `SuccessiveHalvingPruner`: what is not promoted is stopped instead of
paused, so that a freed member begins a new setting at once). Each attempt is an ordinary chain of segments in an
ordinary run: the budget counts the steps of all of them, also of those whose weights were thrown away.

What to try next is a function of the log alone, so that a run can be resumed and verified like any other: samplers and
pruners are Optuna's, built anew from the log at every decision and seeded by the decision's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import final

from populace.core._decision import Continue, Decision, Retire, Start
from populace.core._looks import Looks
from populace.core._policy import Policy, start
from populace.core._population import Population
from populace.core._score import Failed
from populace.core._segment import Segment, Why
from populace.core._whole import check_whole, option_of
from populace.core.baselines._history import Attempt, attempts_of, rungs
from populace.core.baselines._optuna import is_worse_than_median, misses_the_rung, suggest
from populace.space import Hyperparameters, Key

_MOST_FAILED_IN_A_ROW = 10


class Sampler(Enum):
    """What chooses the next setting."""

    PRIOR = "prior"
    TPE = "tpe"
    GP = "gp"


class Pruner(Enum):
    """What gives up an attempt before its end."""

    MEDIAN = "median"
    HALVING = "halving"


@final
@dataclass(frozen=True, kw_only=True)
class Attempts(Policy):
    """Each member makes one attempt after another.

    Attributes:
        steps: Weight steps of a whole attempt.
        sampler: "prior" draws from the space's priors; "tpe" is Optuna's tree-structured Parzen estimator
            (multivariate, in groups, so that conditions are understood), "gp" its Gaussian process.
        pruner: None trains every attempt to its end; "median" gives up one whose best score is below the median of the
            others' at the same step; "halving" one that is not among the best 1 in `factor` that reached its rung.
        startup: Attempts drawn from the priors before a sampler or the median begins: those that members 0, 1, 2 ... of
            a population of the same seed begin with.
        grace: Steps before which nothing is given up.
        factor: Of successive halving: the share promoted is 1 / `factor`, and so much further is the next rung.
        initial: Hyperparameters of the first attempts, as in `PBT`.
    """

    steps: int
    sampler: Sampler | str = Sampler.PRIOR
    pruner: Pruner | str | None = None
    startup: int = 4
    grace: int = 1
    factor: int = 3
    initial: Sequence[Hyperparameters] = ()

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, 1, "it is the steps of a whole attempt")
        check_whole("startup", self.startup, 1, "a sampler needs something to learn from")
        check_whole("grace", self.grace, 1, "it is the steps before which nothing is given up")
        check_whole("factor", self.factor, 2, "1 in `factor` is promoted")
        object.__setattr__(self, "sampler", option_of(Sampler, "sampler", self.sampler))
        if self.pruner is not None:
            object.__setattr__(self, "pruner", option_of(Pruner, "pruner", self.pruner))
        object.__setattr__(self, "initial", tuple(dict(given) for given in self.initial))

    def looks(self, size: int) -> Looks:
        return Looks(log=True)

    @property
    def starts(self) -> tuple[Hyperparameters, ...]:
        return tuple(self.initial)

    def warnings(self, size: int) -> list[str]:
        return []

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        if segment.parent_damaged and segment.fallback is not None:
            good = population.forest[segment.fallback]
            return Continue(
                hyperparameters=good.hyperparameters,
                why={"rule": "damaged", "lost": str(segment.parent), "from": str(good.id)},
            )
        attempts = attempts_of(population)
        mine = next(a for a in attempts if a.is_open and a.root.member == segment.member)
        why: Why = {"attempt": str(mine.root), "steps": mine.steps, "score": segment.score}
        if mine.broke:
            if self._is_beyond_help(attempts, segment):
                return Retire(why={**why, "rule": "beyond help", "failed": _MOST_FAILED_IN_A_ROW})
            ended = segment.status.value
        elif mine.steps >= self.steps:
            ended = "whole"
        elif self._gives_up(population, attempts, mine):
            ended = "given up"
        else:
            return Continue(hyperparameters=segment.hyperparameters, why={**why, "rule": "attempt"})
        past = [attempt for attempt in attempts if not attempt.is_open or attempt is mine]
        chosen, sampler = self._choose(population, past, len(attempts), key)
        return Start(
            hyperparameters=chosen,
            why={**why, "rule": "next attempt", "ended": ended, "number": len(attempts), "sampler": sampler},
        )

    def _choose(
        self, population: Population, past: Sequence[Attempt], number: int, key: Key
    ) -> tuple[Hyperparameters, str]:
        """Returns the setting of the next attempt, and what chose it.

        Args:
            population: The snapshot.
            past: The attempts that have ended.
            number: How many have begun.
            key: The decision's key.
        """
        assert isinstance(self.sampler, Sampler)
        if self.sampler is not Sampler.PRIOR and number >= max(self.startup, population.size):
            return suggest(self.sampler.value, population, past, whole=self.steps, key=key), self.sampler.value
        if population.size > 1:
            return population.space.sample(key.fold("draw")), "prior"
        # One member alone goes on along the settings with which a population of the same seed begins.
        return start(population.space, population.seed, number, self.starts).hyperparameters, "prior"

    def _gives_up(self, population: Population, attempts: Sequence[Attempt], mine: Attempt) -> bool:
        others = [attempt for attempt in attempts if attempt is not mine]
        match self.pruner:
            case Pruner.MEDIAN:
                whole = [a for a in others if a.steps >= self.steps and not a.broke]
                return mine.steps >= self.grace and is_worse_than_median(population, whole, mine, self.startup)
            case Pruner.HALVING:
                before = rungs(
                    {step: score for step, score in mine.curve.items() if step < mine.steps},
                    self.grace,
                    self.factor,
                    stopped=False,
                )
                if mine.steps < self.grace * self.factor ** len(before):
                    return False
                entered = [
                    rungs(a.curve, self.grace, self.factor, stopped=not (a.is_open or a.broke) and a.steps < self.steps)
                    for a in others
                ]
                return misses_the_rung(population, entered, before, mine, self.grace, self.factor)
            case _:
                return False

    def _is_beyond_help(self, attempts: Sequence[Attempt], segment: Segment) -> bool:
        """Whether a member's code failed in so many attempts in a row that trying might never end."""
        mine = [a for a in attempts if a.root.member == segment.member][-_MOST_FAILED_IN_A_ROW:]
        failed = [a.steps == 0 and isinstance(a.segments[-1].outcome, Failed) for a in mine]
        return len(failed) == _MOST_FAILED_IN_A_ROW and all(failed)
