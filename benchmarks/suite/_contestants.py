"""The algorithms that are compared, by name."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence

import populace
from benchmarks.suite._outcome import Outcome
from benchmarks.suite._population import Timing, run_population
from benchmarks.suite._results import Results, Setting, digest_of
from benchmarks.suite._task import Task
from benchmarks.suite._trials import SAMPLERS, run_halving, run_sequential
from populace.core import PBT, Compare, Guard, Policy, RandomSearch
from populace.core.exploit import Truncation
from populace.core.explore import Mixture

TRIALS = (*SAMPLERS, "asha")
"""Those that try constant hyperparameters through Optuna."""


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
    policy = None if name in TRIALS else policy_named(name)
    setting = Setting(
        task=task.name,
        interval=interval,
        population=population,
        timing="sync" if name in TRIALS or name == "random" else timing,
        algorithm=name,
        digest=digest_of(task, name if policy is None else policy),
    )
    missing = list(seeds) if again else results.missing(setting, seeds)
    for begin in range(0, len(missing), task.seeds_at_once):
        part = missing[begin : begin + task.seeds_at_once]
        began = time.monotonic()
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
