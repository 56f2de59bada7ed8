"""What decisions cost: of PB2, by rows, hyperparameters and members; of the default and the paper's policy, by members.

Times are of the processor, of one core: a decision is taken by one worker, while the others train.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

import populace
from benchmarks._figures import heading
from benchmarks._standing import crowd_ms, lockstep_ms
from populace.core import Finite, Looks, Population, SegmentId
from populace.core.explore import PB2, Scene
from populace.space import Choice, Dimension, Key, LogUniform, Space
from populace.testing import population_of

LIMIT_MS = 50.0
CASES = ((500, 5, 4), (500, 5, 8), (500, 10, 8), (500, 5, 32), (200, 5, 8), (50, 5, 8))


def main(arguments: Sequence[str]) -> int:
    """Prints medians and maxima over decisions; returns 1 where the median at 500 rows is above the limit."""
    parser = argparse.ArgumentParser(prog="benchmarks decisions", description=__doc__)
    parser.add_argument("--decisions", type=int, default=20, help="decisions per line")
    parser.add_argument("--only", choices=("pb2", "members"), help="one of the two tables")
    told = parser.parse_args(arguments)
    print(heading())
    with threadpool_limits(1):  # as in a worker; threads that wait for one another count as processor time
        if told.only != "pb2":
            _by_members()
        return _by_rows(told.decisions) if told.only != "members" else 0


def _by_members() -> None:
    print("\n| policy | members | a generation in lockstep, ms | a decision in a crowd, ms |\n|---|---|---|---|")
    for name, policy in (("PBT()", populace.PBT()), ("PBT.paper()", populace.PBT.paper())):
        for members in (16, 64, 1000):
            lockstep = lockstep_ms(policy, members)
            crowd = crowd_ms(policy, members) if policy.looks(members) != Looks() else None
            print(f"| {name} | {members} | {lockstep:.2f} | {'' if crowd is None else f'{crowd:.2f}'} |", flush=True)


def _by_rows(num_decisions: int) -> int:
    print("\n| rows | hyperparameters | members | choices | median ms | largest ms |\n|---|---|---|---|---|---|")
    missed = False
    for rows, numbers, members in CASES:
        for choices in ("random", "modelled"):
            spent = _measured(PB2(rows=rows, choices=choices), numbers, members, num_decisions)
            median = float(np.median(spent))
            missed |= rows == 500 and median > LIMIT_MS
            print(f"| {rows} | {numbers} | {members} | {choices} | {median:.1f} | {max(spent):.1f} |", flush=True)
    print(f"\nat 500 rows a decision costs {'more than' if missed else 'at most'} {LIMIT_MS:.0f} ms")
    return int(missed)


def _measured(explore: PB2, numbers: int, members: int, decisions: int) -> list[float]:
    """Returns the processor's milliseconds per decision of a member that is among the worst."""
    dimensions: dict[str, Dimension] = {f"x{i}": LogUniform(1e-5, 1e-1) for i in range(numbers)}
    space = Space({**dimensions, "kind": Choice(["a", "b", "c"])})
    population = _trained(space, members, explore.rows // members + 1)
    base, member = population.latest[int(population.ranking[0])], int(population.ranking[-2])
    assert base is not None, "everybody has trained"
    scene = Scene(population=population, member=member, base=base)
    spent = []
    for seed in range(decisions + 1):
        began = time.process_time()
        explore.explore(base.hyperparameters, scene, Key(seed))
        spent.append(1000 * (time.process_time() - began))
    return spent[1:]  # the first one loads what is loaded once


def _trained(space: Space, members: int, generations: int) -> Population:
    """Returns a population with a past: what a hyperparameter gains depends on one of them, with noise."""
    population = population_of([0.0] * members, space=space)
    generator, scores, ended = np.random.default_rng(0), np.zeros(members), []
    for generation in range(1, generations + 1):
        for member, first in enumerate(population.latest):
            assert first is not None, "everybody has trained"
            chosen = space.sample(Key(1).fold(member, generation))
            scores[member] += 1 - abs(space.to_unit(chosen)[0] - 0.5) + 0.1 * generator.standard_normal()
            ended.append(
                replace(
                    first,
                    generation=generation,
                    parent=SegmentId(member, generation - 1),
                    start_step=generation,
                    end_step=generation + 1,
                    hyperparameters=chosen,
                    outcome=Finite(value=float(scores[member])),
                    ended=generation * members + member + 1,
                )
            )
    return population.with_ended(ended, generations * members + members)
