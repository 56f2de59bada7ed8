"""Baselines that try constant hyperparameters, through Optuna's ask and tell; all seeds train in one call.

Sequential (`gp`, `tpe`): one full run after another, as many as the population has members; the sampler is told the
best score of each. A few draws at random come first (30 % of the runs, at least 2), since Optuna's default of ten would
be all there is.

Parallel (`asha`): as many places as the population has members, each trains for as long as a member. The first settings
are those that the population begins with. A run that is not among the best third at a rung is stopped (asynchronous
successive halving, Li et al. 2020, arXiv 1810.05934; Optuna's `SuccessiveHalvingPruner`), and a new one, drawn at
random, begins in its place. Rungs are at 1/27, 1/9 and 1/3 of a run where the interval allows it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from benchmarks.suite._bank import Bank, Slots, Turn, bank_for
from benchmarks.suite._outcome import Best, Outcome, test_key
from benchmarks.suite._task import NUM_TICKS, Task
from populace.core import start
from populace.space import Choice, Constant, Hyperparameters, IntUniform, Key, LogIntUniform, Ordinal, Space

SAMPLERS = ("gp", "tpe")
_ETA = 3


@dataclass(kw_only=True)
class _Trial:
    """A run with constant hyperparameters."""

    number: int
    told: Any
    hyperparameters: Hyperparameters
    slot: int
    done: int = 0
    num_intervals: int = 0
    best: float = -math.inf


@dataclass(kw_only=True)
class _Seed:
    """One seed's search."""

    seed: int
    study: Any
    best: Best
    places: list[_Trial] = field(default_factory=list)
    num_trials: int = 0


@final
class _Search:
    """All seeds' searches of one kind.

    Args:
        task: What is trained.
        kind: One of `SAMPLERS`, or "asha".
        seeds: Roots of all randomness.
        population: Runs' worth of steps.
        interval: Ticks between evaluations.
        num_places: Runs that train at the same time.
    """

    def __init__(
        self, task: Task, kind: str, *, seeds: Sequence[int], population: int, interval: int, num_places: int
    ) -> None:
        self._task = task
        self._space = Space.of(task.space)
        self._interval = interval * task.steps_per_tick
        width = len(seeds) * num_places
        self._num_slots = 3 * width + len(seeds)
        self._slots = Slots(self._num_slots)
        self._bank: Bank = bank_for(task, num_slots=self._num_slots, width=width)
        budget = population * task.num_steps
        self.seeds = [
            _Seed(seed=seed, study=_study(kind, seed, population, interval), best=Best(self._slots, budget))
            for seed in seeds
        ]
        self._starts = {seed: task.starts(seed, population) for seed in seeds}

    def first(self, seed: int, member: int) -> Hyperparameters:
        """Returns what a member of a population begins with."""
        return start(self._space, seed, member, self._starts[seed]).hyperparameters

    def begin(self, search: _Seed) -> None:
        """Asks for hyperparameters and begins a run with them."""
        told = search.study.ask(_distributions(self._space))
        hyperparameters = _from_unit(self._space, told.params)
        slot = self._slots.take()
        key = Key(search.seed).fold(search.num_trials, 0, "init")
        self._bank.begin(slot, key, self._space.active(hyperparameters))
        search.places.append(_Trial(number=search.num_trials, told=told, hyperparameters=hyperparameters, slot=slot))
        search.num_trials += 1

    def train(self, trials: Sequence[tuple[_Seed, _Trial]], left: int) -> list[float]:
        """Trains runs for an interval, by at most this many steps; returns their scores."""
        turns = []
        for search, trial in trials:
            num_steps = min(self._interval, self._task.num_steps - trial.done, left)
            turns.append(
                Turn(
                    source=trial.slot,
                    target=self._slots.take(),
                    key=Key(search.seed).fold(trial.number, trial.num_intervals),
                    start_step=trial.done,
                    num_steps=num_steps,
                    hyperparameters=self._space.active(trial.hyperparameters),
                )
            )
        scores = self._bank.train(turns)
        for (search, trial), turn, score in zip(trials, turns, scores, strict=True):
            self._slots.drop(trial.slot)
            trial.slot = turn.target
            trial.done += turn.num_steps
            trial.num_intervals += 1
            trial.best = max(trial.best, score) if math.isfinite(score) else trial.best
            search.best.note(score, turn.target, turn.num_steps)
        return scores

    def end(self, search: _Seed, trial: _Trial, value: float | None) -> None:
        """Tells what a run was worth; None: it was stopped."""
        import optuna

        if value is None:
            search.study.tell(trial.told, state=optuna.trial.TrialState.PRUNED)
        else:
            search.study.tell(trial.told, value)
        self._slots.drop(trial.slot)
        search.places.remove(trial)

    def outcomes(self) -> list[Outcome]:
        """Returns what is left behind, by seed."""
        return [search.best.outcome(search.seed, self._test(search)) for search in self.seeds]

    def _test(self, search: _Seed) -> float:
        if search.best.slot is None:
            return -math.inf
        return self._bank.test([search.best.slot], [test_key(search.seed)])[0]


def run_sequential(task: Task, kind: str, *, seeds: Sequence[int], population: int, interval: int) -> list[Outcome]:
    """Returns what as many full runs as there are members, one after another, leave behind."""
    search = _Search(task, kind, seeds=seeds, population=population, interval=interval, num_places=1)
    for _ in range(population):
        for each in search.seeds:
            search.begin(each)
        running = [(each, each.places[0]) for each in search.seeds]
        while running[0][1].done < task.num_steps:
            search.train(running, task.num_steps)
        for each, trial in running:
            # A run that never had a score is the worst there is; Optuna takes no infinite value.
            search.end(each, trial, trial.best if math.isfinite(trial.best) else _worst(each))
    return search.outcomes()


def run_halving(task: Task, *, seeds: Sequence[int], population: int, interval: int) -> list[Outcome]:
    """Returns what asynchronous successive halving leaves behind."""
    search = _Search(task, "asha", seeds=seeds, population=population, interval=interval, num_places=population)
    for each in search.seeds:
        for member in range(population):
            each.study.enqueue_trial(_to_unit(search._space, search.first(each.seed, member)))
    spent = 0
    while spent < task.num_steps:
        for each in search.seeds:
            while len(each.places) < population:
                search.begin(each)
        running = [(each, trial) for each in search.seeds for trial in each.places]
        scores = search.train(running, task.num_steps - spent)
        for (each, trial), score in zip(running, scores, strict=True):
            trial.told.report(score, trial.num_intervals)
            if not math.isfinite(score) or trial.told.should_prune():
                search.end(each, trial, None)
            elif trial.done >= task.num_steps:
                search.end(each, trial, trial.best)
        spent += min(interval * task.steps_per_tick, task.num_steps - spent)
    return search.outcomes()


def _worst(search: _Seed) -> float:
    values = [t.value for t in search.study.get_trials(deepcopy=False) if t.value is not None]
    return min(values, default=0.0) - 1.0


def _study(kind: str, seed: int, population: int, interval: int) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # its advice is not for who reads the table
    num_random = max(2, round(0.3 * population))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler: Any = {
            "gp": lambda: optuna.samplers.GPSampler(seed=seed, n_startup_trials=num_random),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=num_random),
            "asha": lambda: optuna.samplers.RandomSampler(seed=seed),
        }[kind]()
    pruner: Any = optuna.pruners.NopPruner()
    if kind == "asha":
        grace = max(1, round(NUM_TICKS / _ETA**3 / interval))
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=grace, reduction_factor=_ETA)
    return optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)


def _distributions(space: Space) -> dict[str, Any]:
    """Returns a space as Optuna's: numbers by their place on their scale, whole numbers and choices as themselves."""
    import optuna.distributions as d

    found: dict[str, Any] = {}
    for name, dimension in space.items():
        match dimension:
            case Constant():
                continue
            case Choice(values=values):
                found[name] = d.CategoricalDistribution(list(range(len(values))))
            case Ordinal(values=values):
                found[name] = d.IntDistribution(0, len(values) - 1)
            case IntUniform(low=low, high=high):
                found[name] = d.IntDistribution(low, high)
            case LogIntUniform(low=low, high=high):
                found[name] = d.IntDistribution(low, high, log=True)
            case _:
                found[name] = d.FloatDistribution(0.0, 1.0)
    return found


def _from_unit(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, dimension in space.items():
        match dimension:
            case Constant(value=value):
                values[name] = value
            case Choice(values=listed) | Ordinal(values=listed):
                values[name] = listed[params[name]]
            case IntUniform() | LogIntUniform():
                values[name] = int(params[name])
            case _:
                values[name] = dimension.from_unit(params[name])
    return values


def _to_unit(space: Space, hyperparameters: Hyperparameters) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, dimension in space.items():
        match dimension:
            case Constant():
                continue
            case Choice(values=listed) | Ordinal(values=listed):
                params[name] = list(listed).index(hyperparameters[name])
            case IntUniform() | LogIntUniform():
                params[name] = hyperparameters[name]
            case _:
                params[name] = dimension.to_unit(hyperparameters[name])
    return params
