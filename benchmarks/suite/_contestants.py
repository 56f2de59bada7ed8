"""The algorithms that are compared, by name."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import replace

import populace
from benchmarks.suite._outcome import Outcome
from benchmarks.suite._population import Timing, run_population
from benchmarks.suite._results import Results, Setting, digest_of
from benchmarks.suite._task import Task
from benchmarks.suite._trials import SAMPLERS, run_halving, run_sequential
from populace.core import PBT, Compare, Guard, Policy, RandomSearch, Schedule
from populace.core.baselines import Follow
from populace.core.exploit import Truncation
from populace.core.explore import Mixture

TRIALS = (*SAMPLERS, "asha")
"""Those that try constant hyperparameters through Optuna."""
CONTROLS = ("schedule", "final")
"""Those that train anew what the default policy's winner has found on the same seed: along its schedule, and with the
last hyperparameters of that held fixed. Other weights and random numbers: a schedule must not repeat its luck."""
_OTHER_LUCK = 1_000_000


def policy_named(name: str) -> Policy:
    """Returns a policy: default, paper, random, plain, a class of populace's, or `module:name`."""
    match name:
        case "default":
            return PBT()
        case "paper":
            return PBT.paper()
        case "random":
            return RandomSearch()
        case "plain":
            # Everything is named: the defaults of PBT() are what is being chosen.
            return PBT(
                exploit=Truncation(0.2),
                explore=Mixture(resample=0.1, factors=(0.8, 1.25)),
                compare=Compare.LATEST,
                guard=Guard(),
            )
    module, _, attribute = name.rpartition(":")
    made = getattr(importlib.import_module(module) if module else populace, attribute)
    policy = made() if callable(made) else made
    if not isinstance(policy, Policy):
        raise SystemExit(f"benchmarks: {name!r} is no policy: name default, paper, random, plain or module:name")
    return policy


def measure(
    task: Task,
    name: str,
    *,
    seeds: Sequence[int],
    population: int,
    interval: int,
    timing: Timing,
    results: Results,
    again: bool = False,
) -> int:
    """Measures the seeds that have no line yet; returns how many.

    Args:
        task: The task.
        name: The algorithm.
        seeds: Roots of all randomness.
        population: Number of members, or as many runs' worth of steps.
        interval: Ticks between ready points.
        timing: Who waits for whom; random search and trials do not depend on it and are measured in lockstep.
        results: Where lines are.
        again: Whether seeds that have a line are measured too.
    """
    policy = None if name in TRIALS else policy_named("default" if name in CONTROLS else name)
    setting = Setting(
        task=task.name,
        interval=interval,
        population=population,
        timing="sync" if name in TRIALS or name in CONTROLS or name == "random" else timing,
        algorithm=name,
        digest=digest_of(task, name if policy is None else (name, policy) if name in CONTROLS else policy),
    )
    if name in CONTROLS:
        found = replace(setting, algorithm="default", digest=digest_of(task, policy))
        schedules = {line["seed"]: line["schedule"] for line in results.of(found) if "schedule" in line}
        seeds = [seed for seed in seeds if seed in schedules]
    missing = list(seeds) if again else results.missing(setting, seeds)
    for begin in range(0, len(missing), task.seeds_at_once):
        part = missing[begin : begin + task.seeds_at_once]
        began = time.monotonic()
        if name in CONTROLS:
            outcomes = _controls(task, name, [schedules[seed] for seed in part], part, population, interval)
        else:
            outcomes = _outcomes(task, name, policy, part, population, interval, setting.timing)
        results.append(setting, outcomes, seconds=(time.monotonic() - began) / len(part))
    return len(missing)


def _outcomes(
    task: Task, name: str, policy: Policy | None, seeds: Sequence[int], population: int, interval: int, timing: str
) -> list[Outcome]:
    given = {"seeds": seeds, "population": population, "interval": interval}
    if policy is not None:
        return [run.outcome() for run in run_population(task, policy, timing=timing, **given)]  # type: ignore[arg-type]
    return run_halving(task, **given) if name == "asha" else run_sequential(task, name, **given)  # type: ignore[arg-type]


def _controls(
    task: Task, name: str, schedules: Sequence[str], seeds: Sequence[int], population: int, interval: int
) -> list[Outcome]:
    policies = [control_of(name, text, population) for text in schedules]
    shifted = [seed + _OTHER_LUCK for seed in seeds]
    runs = run_population(task, policies, seeds=shifted, population=population, interval=interval)
    return [replace(run.outcome(), seed=seed, schedule=None) for run, seed in zip(runs, seeds, strict=True)]


def control_of(name: str, schedule: str, population: int) -> Policy:
    """Returns the policy that trains a population along a schedule (as JSON), or with its last hyperparameters."""
    if name == "schedule":
        return Follow(schedule=schedule, members=population)
    last = dict(Schedule.from_json(schedule).pieces[-1].hyperparameters)
    return RandomSearch(initial=(last,) * population)
