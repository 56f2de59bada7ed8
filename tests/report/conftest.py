"""Runs to draw: small simulations of populations that train on a noisy quadratic, decided by the real `decide`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from populace.core import (
    PBT,
    Continue,
    Exploit,
    Failed,
    Mode,
    Policy,
    Population,
    Schedule,
    Segment,
    SegmentId,
    decide,
    decision_key,
    outcome_of,
    parent_of,
    start,
)
from populace.core import Evaluation as Measured
from populace.space import Complement, Hyperparameters, Key, LogUniform, Space

INTERVAL = 4
PLAIN_SPACE = Space({"lr": LogUniform(1e-3, 1.0), "momentum": Complement(0.5, 0.999)})


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A run as a figure needs it."""

    segments: list[Segment]
    space: Space
    mode: Mode = Mode.MIN
    best: SegmentId | None = None
    schedule: Schedule | None = None


@dataclass(kw_only=True)
class Simulation:
    """Trains members on a bowl with noise; a large `lr` gets down fast but keeps shaking, too large a one explodes."""

    space: Space
    population: int
    seed: int
    policy: Policy
    mode: Mode
    diverges: Callable[[SegmentId], bool]
    fails: Callable[[SegmentId], bool]
    states: dict[SegmentId, tuple[float, float]] = field(default_factory=dict)
    segments: dict[SegmentId, Segment] = field(default_factory=dict)
    sequence: int = 0

    def train(self, begun: Segment) -> Segment:
        """Returns the segment ended."""
        key = Key(self.seed).fold(begun.member, begun.generation, "train")
        position, speed = (3.0, 0.0) if begun.parent is None else self.states[begun.parent]
        evaluations = []
        for step in range(begun.start_step, begun.start_step + INTERVAL):
            position, speed = descend(position, speed, begun.hyperparameters, key.fold(step))
            if step % 2 or INTERVAL == 1:
                score = 0.5 * position**2 + 0.01
                score = math.nan if self.diverges(begun.id) else score if self.mode is Mode.MIN else 1 / (1 + score)
                evaluations.append(Measured(step=step + 1, score=score, metrics={}))
        self.sequence += 1
        if self.fails(begun.id):
            self.states[begun.id] = (math.nan, 0.0)
            lost = Failed(reason="out of memory")
            return replace(begun, end_step=begun.start_step, outcome=lost, ended=self.sequence)
        self.states[begun.id] = (position, speed)
        return replace(
            begun,
            outcome=outcome_of(evaluations[-1].score),
            evaluations=tuple(evaluations),
            ended=self.sequence,
            checkpoint_kept=True,
        )

    def begin(self, population: Population, member: int, generation: int) -> Segment | None:
        """Returns a member's next segment, None where it waits or retires."""
        self.sequence += 1
        newest = population.latest[member]
        parent, donor, member_start, start_step = None, None, 0, 0
        if newest is None:
            decision: object = start(self.space, self.seed, member)
        else:
            decision = decide(population, member, self.policy, decision_key(self.seed, member, generation))
            if not isinstance(decision, Continue | Exploit):
                return None
            parent = parent_of(decision, newest)
            donor = decision.donor if isinstance(decision, Exploit) else None
            member_start, start_step = newest.member_end, 0 if parent is None else self.segments[parent].end_step
        return Segment(
            member=member,
            generation=generation,
            parent=parent,
            donor=donor,
            start_step=start_step,
            end_step=start_step + INTERVAL,
            member_start=member_start,
            hyperparameters=decision.hyperparameters,
            why=decision.why,
            snapshot=population.sequence,
            begun=self.sequence,
        )

    def run(self, generations: int, *, lag: int, running: bool) -> list[Segment]:
        """Returns all segments; with a lag, member m begins m * lag generations late and sees what the others did."""
        population = Population.empty(space=self.space, mode=self.mode, seed=self.seed, size=self.population)
        done = [0] * self.population
        for turn in range(generations + lag * (self.population - 1)):
            on = [m for m in range(self.population) if turn >= m * lag and done[m] < generations]
            begun = [self.begin(population, m, done[m]) for m in on]
            ended = [self.train(segment) for segment in begun if segment is not None]
            for segment in ended:
                done[segment.member] += 1
                self.segments[segment.id] = segment
            population = population.with_ended(ended, self.sequence)
        for member in range(self.population if running else 0):
            segment = self.begin(population, member, done[member])
            if segment is not None:
                self.segments[segment.id] = segment
        return list(self.segments.values())


def descend(position: float, speed: float, hp: Hyperparameters, key: Key) -> tuple[float, float]:
    """Returns position and speed after one noisy step of gradient descent with momentum."""
    rate, momentum = float(hp.get("lr") or 0.1), float(hp.get("momentum") or 0.0)
    gradient = position + 0.5 * float(key.generator().standard_normal())
    speed = momentum * speed - rate * gradient
    return max(min(position + speed, 1e6), -1e6), speed


def never(_: SegmentId) -> bool:
    return False


def simulate(
    population: int = 8,
    generations: int = 10,
    *,
    space: Space | Mapping[str, object] = PLAIN_SPACE,
    policy: Policy | None = None,
    mode: Mode = Mode.MIN,
    seed: int = 0,
    lag: int = 0,
    running: bool = False,
    diverges: Callable[[SegmentId], bool] = never,
    fails: Callable[[SegmentId], bool] = never,
) -> Simulated:
    """Returns a run of PBT."""
    space = Space.of(space)
    simulation = Simulation(
        space=space,
        population=population,
        seed=seed,
        policy=policy or PBT(),
        mode=mode,
        diverges=diverges,
        fails=fails,
    )
    segments = simulation.run(generations, lag=lag, running=running)
    scored = [segment for segment in segments if segment.score is not None]
    best = max(scored, key=lambda s: s.better(mode), default=None)
    path: list[Segment] = []
    walker = best
    while walker is not None:
        path.insert(0, walker)
        walker = simulation.segments[walker.parent] if walker.parent is not None else None
    return Simulated(
        segments=segments,
        space=space,
        mode=mode,
        best=best.id if best else None,
        schedule=Schedule.of(path, space, seed) if best else None,
    )


@pytest.fixture(scope="session", name="simulate")
def _simulate() -> Callable[..., Simulated]:
    """Makes runs."""
    return simulate


@pytest.fixture(scope="session")
def usual(simulate: Callable[..., Simulated]) -> Simulated:
    """A run as most are: eight members, exploits, one that diverges and one that fails."""
    return simulate(diverges=lambda id: id == (2, 3), fails=lambda id: id == (5, 5))
