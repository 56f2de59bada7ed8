"""Baselines: rivals that spend the same member-steps in another way, and the controls of the literature.

`SequentialSearch` stands for tuning by hand and by Bayesian optimisation, `SuccessiveHalving` for early stopping,
`Fixed` for what somebody knows already. `WinningSchedule` and `FinalHyperparameters` train again what another algorithm
has found, on other random numbers: they tell how much of a gain lies in the schedule, in its end, or in neither.
"""

from __future__ import annotations

import importlib.util
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from populace._errors import MissingExtra, UsageError
from populace.comparison._algorithms import Baseline, Plan
from populace.core import PBT, Policy, RandomSearch
from populace.core.baselines import Attempts, Follow
from populace.core.exploit import Truncation
from populace.core.explore import NoExplore
from populace.space import Hyperparameters

if TYPE_CHECKING:
    from populace.comparison._terms import Terms
    from populace.run import Best, Result

_OTHER_LUCK = 1_000_000  # seeds of users are small
_WARM_UP = 10


@final
@dataclass(frozen=True, kw_only=True)
class SequentialSearch(Baseline):
    """One run after another, each to its end, the next setting chosen from all results so far.

    N x T member-steps buy N runs of T steps; more, where a pruner gives some up.

    Attributes:
        sampler: "tpe" (tree-structured Parzen estimator) or "gp" (Gaussian process; needs torch), both Optuna's;
            "prior" draws at random.
        pruner: None, or "median": gives up a run whose best score is below the median of the others' at that step.
        startup: Runs with settings drawn from the priors before the sampler begins: the first ones of a population of
            the same seed.
        initial: Settings to begin with, as in `PBT`.
    """

    sampler: str = "tpe"
    pruner: str | None = None
    startup: int = 4
    initial: tuple[Hyperparameters, ...] = ()

    def __post_init__(self) -> None:
        if self.pruner not in (None, "median"):
            raise UsageError(
                f"`pruner` must be None or 'median', but got {self.pruner!r}: SuccessiveHalving() stops early at rungs"
            )
        object.__setattr__(self, "initial", tuple(dict(given) for given in self.initial))
        self._policy(1, 1)

    @property
    def needs(self) -> str | None:
        return None

    def check(self, terms: Terms) -> None:
        if self.sampler != "prior" or self.pruner is not None:
            _require("optuna", "optuna", "SequentialSearch")
        if self.sampler == "gp":
            _require("torch", "optuna,torch", "SequentialSearch(sampler='gp')")
        terms.spec(self.plan(terms, None), name="sequential search", seed=0)

    def plan(self, terms: Terms, found: Result | None) -> Plan:
        return Plan(policy=self._policy(terms.steps, terms.interval), population=1, steps=terms.budget)

    @property
    def summary(self) -> str:
        how = {"tpe": "TPE (Optuna)", "gp": "a Gaussian process (Optuna)"}.get(self.sampler, "random draws")
        ended = "each to its end" if self.pruner is None else "those below the median of the others given up early"
        return f"one run after another, {ended}; the next hyperparameters are chosen by {how} from all results so far"

    def _policy(self, steps: int, interval: int) -> Attempts:
        return Attempts(
            steps=steps,
            sampler=self.sampler,
            pruner=self.pruner,
            startup=self.startup,
            grace=max(interval, steps // _WARM_UP),
            initial=self.initial,
        )


@final
@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving(Baseline):
    """Asynchronous successive halving (Li et al. 2020): what is not among the best at its rung is stopped at once.

    The freed member begins a new setting from fresh weights, until N x T member-steps are spent.

    Attributes:
        factor: 1 in `factor` is promoted, to `factor` times as many steps.
        grace: Steps of the first rung; None: one interval.
        sampler: "prior" draws new settings at random, as the paper does; "tpe" and "gp" choose them.
    """

    factor: int = 3
    grace: int | None = None
    sampler: str = "prior"

    def __post_init__(self) -> None:
        self._policy(1, 1)

    @property
    def needs(self) -> str | None:
        return None

    def check(self, terms: Terms) -> None:
        _require("optuna", "optuna", "SuccessiveHalving")
        if self.sampler == "gp":
            _require("torch", "optuna,torch", "SuccessiveHalving(sampler='gp')")
        terms.spec(self.plan(terms, None), name="successive halving", seed=0)

    def plan(self, terms: Terms, found: Result | None) -> Plan:
        return Plan(policy=self._policy(terms.steps, terms.interval), population=terms.population, steps=terms.steps)

    @property
    def summary(self) -> str:
        return (
            f"asynchronous successive halving (Optuna): a member whose score is not among the best 1 in {self.factor} "
            "at its rung begins new hyperparameters from fresh weights"
        )

    def _policy(self, steps: int, interval: int) -> Attempts:
        grace = interval if self.grace is None else self.grace
        return Attempts(steps=steps, sampler=self.sampler, pruner="halving", grace=grace, factor=self.factor)


@final
@dataclass(frozen=True)
class Fixed(Baseline):
    """N models with hyperparameters that are given and stay: what somebody would train without any search.

    Attributes:
        hyperparameters: The values; names left out are drawn anew for each member.
        exploit: Whether lagging members copy the weights of better ones all the same. This control tells how much of a
            gain is picking lucky weights again and again.
    """

    hyperparameters: Mapping[str, Any]
    exploit: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.hyperparameters, Mapping) or not self.hyperparameters:
            raise UsageError(
                f"Fixed takes hyperparameters by name, but got {self.hyperparameters!r}: write Fixed({{'lr': 0.1}})"
            )

    @property
    def needs(self) -> str | None:
        return None

    def check(self, terms: Terms) -> None:
        terms.spec(self.plan(terms, None), name="fixed", seed=0)

    def plan(self, terms: Terms, found: Result | None) -> Plan:
        initial = (dict(self.hyperparameters),) * terms.population
        policy = (
            PBT(exploit=Truncation(), explore=NoExplore(), initial=initial)
            if self.exploit
            else RandomSearch(initial=initial)
        )
        return Plan(policy=policy, population=terms.population, steps=terms.steps)

    @property
    def summary(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        copies = "; lagging members copy the weights of better ones" if self.exploit else ""
        return f"every member trains with given hyperparameters ({given}){copies}"


@dataclass(frozen=True)
class _Again(Baseline):
    """N models trained from scratch, on other random numbers, with what another algorithm's winner has found."""

    of: str

    @property
    def needs(self) -> str | None:
        return self.of

    def check(self, terms: Terms) -> None:
        pass  # what it trains is found later

    def plan(self, terms: Terms, found: Result | None) -> Plan:
        assert found is not None, "the run that it needs was trained before"
        policy = self._policy(terms, found.best)
        return Plan(policy=policy, population=terms.population, steps=terms.steps, seed_shift=_OTHER_LUCK)

    @abstractmethod
    def _policy(self, terms: Terms, winner: Best) -> Policy:
        """Returns the policy that trains with what was found."""


@final
@dataclass(frozen=True)
class WinningSchedule(_Again):
    """N models trained from scratch along the schedule that another algorithm's winner has found on the same seed.

    Attributes:
        of: The name of that algorithm in the comparison.
    """

    def _policy(self, terms: Terms, winner: Best) -> Policy:
        return Follow(schedule=winner.schedule.to_json(), members=terms.population)

    @property
    def summary(self) -> str:
        return f"every member trains from scratch along the schedule that {self.of} found on the same seed"


@final
@dataclass(frozen=True)
class FinalHyperparameters(_Again):
    """N models trained from scratch with the last hyperparameters of another algorithm's winner, held constant.

    Attributes:
        of: The name of that algorithm in the comparison.
    """

    def _policy(self, terms: Terms, winner: Best) -> Policy:
        return RandomSearch(initial=(winner.hyperparameters,) * terms.population)

    @property
    def summary(self) -> str:
        return f"every member trains from scratch with the last hyperparameters of the winner of {self.of}, held fixed"


def _require(package: str, extra: str, name: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise MissingExtra(f'{name} needs {package}: pip install "populace[{extra}]"')
