"""A harness for policies: real decisions on toy tasks in numpy, in lockstep or with members of unequal speed, no store.

A run is 100 ticks of every member; the policy sees scores and acts every `interval` ticks. Slot i of the population
sees the same training noise under every policy, and all start with the same weights and hyperparameters. A run's result
is the best segment by its score, measured again without noise.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._toys import TICKS, Toy
from populace.core import (
    Continue,
    Evaluation,
    Exploit,
    Mode,
    Policy,
    Population,
    Segment,
    SegmentId,
    decide,
    decision_key,
    outcome_of,
    parent_of,
    start,
)
from populace.space import Hyperparameters, Space


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to.

    Attributes:
        score: The best segment's score, without noise.
        spread: Spread of the hyperparameters at the end over that at the start, on the unit scale of the space.
        exploits: Copies taken.
    """

    score: float
    spread: float
    exploits: int


def play(
    toy: Toy,
    policy: Policy,
    *,
    seed: int,
    size: int = 10,
    interval: int = 1,
    slowest: float = 1.0,
    known_length: bool = True,
) -> Outcome:
    """Returns the outcome of one run.

    Args:
        toy: The task.
        policy: What decides.
        seed: Root of all randomness.
        size: Number of members.
        interval: Ticks between two ready points.
        slowest: 1: lockstep. Else asynchronous: the members' speeds go from 1 to this many times slower, and vary.
        known_length: Whether the policy is told how long the run is.
    """
    turns = math.ceil(TICKS / interval)
    population = Population.empty(
        space=toy.space,
        mode=Mode.MAX,
        seed=seed,
        size=size,
        steps=TICKS if known_length else None,
        interval=interval,
    )
    begin = toy.begin(np.random.default_rng([seed, 1]))
    states: dict[SegmentId, Any] = {}
    best, result, exploits = -math.inf, math.nan, 0
    noises = np.random.default_rng([seed, 2]).standard_normal((size, turns)) * toy.noise
    generators = [np.random.default_rng([seed, 3, member]) for member in range(size)]
    pace = np.random.default_rng([seed, 4])
    given = np.random.default_rng([seed, 5])
    starts = policy.starts if toy.initial is None else [toy.initial(given) for _ in range(size)]
    speeds = slowest ** pace.permutation(np.linspace(0.0, 1.0, size))

    def draft(member: int) -> tuple[Any, SegmentId | None, SegmentId | None, int]:
        newest = population.latest[member]
        if newest is None:
            return start(toy.space, seed, member, starts), None, None, 0
        decision = decide(population, member, policy, decision_key(seed, member, newest.generation + 1))
        assert isinstance(decision, Continue | Exploit)
        parent = parent_of(decision, newest)
        assert parent is not None
        donor = decision.donor if isinstance(decision, Exploit) else None
        return decision, parent, donor, population.forest[parent].end_step

    def train(members: Sequence[int], turn: int) -> list[Segment]:
        sources = [begin if begun[m][1] is None else states[begun[m][1]] for m in members]
        settings = [begun[m][0].hyperparameters for m in members]
        ticks = min(interval, TICKS - turn * interval)
        with np.errstate(all="ignore"):
            for _ in range(ticks):
                if toy.tick_many is not None:
                    sources = toy.tick_many(sources, settings, [generators[m] for m in members])
                else:
                    sources = [
                        toy.tick(state, hp, generators[m])
                        for state, hp, m in zip(sources, settings, members, strict=True)
                    ]
        return [ended(m, turn, ticks, state) for m, state in zip(members, sources, strict=True)]

    def ended(member: int, turn: int, ticks: int, state: Any) -> Segment:
        nonlocal best, result
        decision, parent, donor, start_step = begun[member]
        with np.errstate(all="ignore"):
            score = toy.score(state)
        seen = score + float(noises[member, turn])
        id = SegmentId(member, turn)
        states[id] = state
        if seen > best:
            best, result = seen, score
        return Segment(
            member=member,
            generation=turn,
            parent=parent,
            donor=donor,
            start_step=start_step,
            end_step=start_step + ticks,
            member_start=turn * interval,
            hyperparameters=decision.hyperparameters,
            why=decision.why,
            snapshot=population.sequence,
            begun=population.sequence,
            ended=population.sequence + 1,
            outcome=outcome_of(seen),
            evaluations=(Evaluation(step=start_step + ticks, score=seen, metrics={}),),
            checkpoint=str(id),
            checkpoint_kept=True,
        )

    begun = [draft(member) for member in range(size)]
    spread = _spread(toy.space, [b[0].hyperparameters for b in begun])
    if slowest == 1.0:
        for turn in range(turns):
            population = population.with_ended(train(range(size), turn), population.sequence + 1)
            if turn + 1 < turns:
                begun = [draft(member) for member in range(size)]
                exploits += sum(1 for b in begun if b[2] is not None)
    else:
        queue = [(float(speeds[member] * pace.uniform(0.8, 1.2)), member, 0) for member in range(size)]
        heapq.heapify(queue)
        while queue:
            now, member, turn = heapq.heappop(queue)
            population = population.with_ended(train([member], turn), population.sequence + 1)
            if turn + 1 < turns:
                begun[member] = draft(member)
                exploits += begun[member][2] is not None
                heapq.heappush(queue, (now + float(speeds[member] * pace.uniform(0.8, 1.2)), member, turn + 1))
    last = _spread(toy.space, [s.hyperparameters for s in population.latest if s is not None])
    return Outcome(score=result, spread=last / spread, exploits=exploits)


def _spread(space: Space, assignments: Sequence[Hyperparameters]) -> float:
    """Returns the mean over dimensions of the standard deviation on the unit scale."""
    return float(np.mean(np.std([space.to_unit(hp) for hp in assignments], axis=0)))
