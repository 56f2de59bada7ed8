"""Optuna's samplers and pruners as functions of the log. The one file that knows Optuna.

A study is built in memory at every call from what the log tells, so nothing is remembered between two calls. A
continuous dimension is given to Optuna on its own scale in the unit interval (for a logarithmic one that is what Optuna
does itself, and complements come along), integers as integers, listed values by their place in the list; a dimension
that is not in force is left out, as in a define-by-run study.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from populace._errors import MissingExtra
from populace.core._population import Population
from populace.core.baselines._history import Attempt, best_of
from populace.space import (
    Choice,
    Constant,
    Dimension,
    Hyperparameters,
    IntUniform,
    Key,
    LogIntUniform,
    Ordinal,
    Value,
)

if TYPE_CHECKING:
    import optuna


def suggest(
    sampler: str, population: Population, attempts: Sequence[Attempt], *, whole: int, key: Key
) -> Hyperparameters:
    """Returns the setting that a sampler tries next.

    An attempt that broke counts as the worst score seen, so that its neighbourhood is avoided.

    Args:
        sampler: "tpe" or "gp".
        population: The snapshot.
        attempts: The attempts that have ended, in order.
        whole: Steps of a whole attempt.
        key: Where the draws come from.
    """
    with _quiet():
        study = _study(_sampler(sampler, key))
        space = population.space
        finite = [best for attempt in attempts if (best := best_of(attempt, population)) > -float("inf")]
        for attempt in attempts:
            study.add_trial(_told(attempt, population, whole=whole, worst=min(finite, default=0.0)))
        asked = study.ask()
        values = dict(space.sample(key.fold("inactive")))
        done: set[str] = set()
        while names := [
            n for n in space.active(values) if n not in done and all(parent in done for parent in space[n].conditions)
        ]:
            name = names[0]
            place = _distribution(space[name])
            if place is not None:
                values[name] = _decoded(space[name], asked._suggest(name, place))
            done.add(name)
        return values


def is_worse_than_median(population: Population, whole: Sequence[Attempt], mine: Attempt, startup: int) -> bool:
    """Returns whether Optuna's median rule stops an attempt.

    Args:
        population: The snapshot.
        whole: The attempts that were trained to their end.
        mine: The attempt in question.
        startup: How many of them there must be.
    """
    import_optuna()
    from optuna.pruners import MedianPruner
    from optuna.trial import TrialState

    with _quiet():
        study = _study(None)
        for attempt in whole:
            study.add_trial(_reported(attempt, population, TrialState.COMPLETE, best_of(attempt, population)))
        study.add_trial(_reported(mine, population, TrialState.RUNNING, None))
        return bool(MedianPruner(n_startup_trials=startup).prune(study, study.get_trials()[-1]))


def misses_the_rung(
    population: Population,
    entered: Sequence[Mapping[int, float]],
    before: Mapping[int, float],
    mine: Attempt,
    grace: int,
    factor: int,
) -> bool:
    """Returns whether Optuna's successive halving stops an attempt that has just come to a rung.

    Args:
        population: The snapshot.
        entered: Per other attempt, the scores with which it entered its rungs.
        before: The rungs that this one had entered before.
        mine: The attempt in question.
        grace: Steps of rung 0.
        factor: How many times further the next rung is.
    """
    import_optuna()
    from optuna.pruners import SuccessiveHalvingPruner
    from optuna.trial import TrialState, create_trial

    def rungs_as_told(scores: Mapping[int, float]) -> dict[str, float]:
        return {f"completed_rung_{rung}": population.mode.orient(score) for rung, score in scores.items()}

    with _quiet():
        study = _study(None)
        for scores in entered:
            study.add_trial(create_trial(state=TrialState.RUNNING, system_attrs=rungs_as_told(scores)))
        study.add_trial(_reported(mine, population, TrialState.RUNNING, None, rungs_as_told(before)))
        pruner = SuccessiveHalvingPruner(min_resource=grace, reduction_factor=factor)
        return bool(pruner.prune(study, study.get_trials()[-1]))


def import_optuna() -> None:
    """Imports Optuna.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import optuna  # noqa: F401 - asked for here so that whoever lacks it is told
    except ModuleNotFoundError as error:
        raise MissingExtra('this baseline needs Optuna: pip install "populace[optuna]"') from error


def _sampler(name: str, key: Key) -> optuna.samplers.BaseSampler:
    import_optuna()
    from optuna.samplers import GPSampler, TPESampler

    seed = key.fold("sampler").seed() % 2**32
    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=False)
    return TPESampler(seed=seed, n_startup_trials=1, multivariate=True, group=True)


def _study(sampler: optuna.samplers.BaseSampler | None) -> optuna.Study:
    import optuna

    return optuna.create_study(direction="maximize", sampler=sampler)


def _told(attempt: Attempt, population: Population, *, whole: int, worst: float) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState

    best = best_of(attempt, population)
    if attempt.broke:
        return _reported(attempt, population, TrialState.COMPLETE, worst)
    if attempt.steps >= whole:
        return _reported(attempt, population, TrialState.COMPLETE, best)
    return _reported(attempt, population, TrialState.PRUNED, best)


def _reported(
    attempt: Attempt,
    population: Population,
    state: optuna.trial.TrialState,
    value: float | None,
    system_attrs: Mapping[str, float] | None = None,
) -> optuna.trial.FrozenTrial:
    from optuna.trial import create_trial

    space = population.space
    active = space.active(attempt.hyperparameters)
    places = {name: place for name in active if (place := _distribution(space[name])) is not None}
    return create_trial(
        state=state,
        value=value,
        params={name: _encoded(space[name], active[name]) for name in places},
        distributions=places,
        intermediate_values={step: population.mode.orient(score) for step, score in attempt.curve.items()},
        system_attrs=dict(system_attrs or {}),
    )


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution | None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match dimension:
        case Constant():
            return None
        case Choice(values=values):
            return CategoricalDistribution(range(len(values)))
        case Ordinal(values=values):
            return IntDistribution(0, len(values) - 1)
        case IntUniform(low=low, high=high):
            return IntDistribution(low, high)
        case LogIntUniform(low=low, high=high):
            return IntDistribution(low, high, log=True)
        case _:
            return FloatDistribution(0.0, 1.0)


def _encoded(dimension: Dimension, value: Value) -> int | float:
    match dimension:
        case Choice(values=values) | Ordinal(values=values):
            return int(dimension.to_unit(value) * len(values))
        case IntUniform() | LogIntUniform():
            assert isinstance(value, int)
            return value
        case _:
            return dimension.to_unit(value)


def _decoded(dimension: Dimension, told: int | float) -> Value:
    match dimension:
        case Choice(values=values) | Ordinal(values=values):
            return values[int(told)]
        case IntUniform() | LogIntUniform():
            return dimension.clip(int(told))
        case _:
            return dimension.from_unit(float(told))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from telling of studies that nobody but us knows, and puts back how it was."""
    import_optuna()
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
