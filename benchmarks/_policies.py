"""A harness for policies: real decisions on toy tasks in numpy, in lockstep or with members of unequal speed, no store.

A run is 100 ticks of every member; the policy sees scores and acts every `interval` ticks. Slot i of the population
sees the same training noise under every policy, and all start with the same weights and hyperparameters. A run's result
is the best segment by its score, measured again without noise.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

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
from populace.space import Choice, Complement, Hyperparameters, IntUniform, Key, LogIntUniform, LogUniform, Ordinal, Space, Uniform

FloatArray = npt.NDArray[np.float64]
Generator = np.random.Generator

TICKS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A task that can be trained in a blink.

    Attributes:
        name: Its name in tables.
        space: What is tuned.
        begin: `(seed, generator) -> state`; the same for all members of a seed.
        tick: `(state, hyperparameters, generator) -> state`, a hundredth of the run.
        score: `state -> score`, larger is better.
        noise: Standard deviation of what a policy sees around the score.
        initial: `generator -> hyperparameters` of a member; None: drawn from the space.
        tick_many: `tick` of several members at once, where that is faster.
    """

    name: str
    space: Space
    begin: Callable[[Generator], Any]
    tick: Callable[[Any, Hyperparameters, Generator], Any]
    score: Callable[[Any], float]
    noise: float = 0.0
    initial: Callable[[Generator], Hyperparameters] | None = None
    tick_many: Callable[[Sequence[Any], Sequence[Hyperparameters], Sequence[Generator]], list[Any]] | None = None


def _triangle() -> Toy:
    def tick(progress: float, hp: Hyperparameters, generator: Generator) -> float:
        phase = progress / 100 % 1.0
        best = -3.0 + 2.0 * (1.0 - abs(2.0 * phase - 1.0))
        return progress + math.exp(-(((math.log10(float(hp["lr"])) - best) / 0.2) ** 2))

    return Toy(
        name="triangle",
        space=Space.of({"lr": LogUniform(1e-3, 1e-1)}),
        begin=lambda generator: 0.0,
        tick=tick,
        score=float,
        noise=0.1,
    )


def _quadratic(
    name: str,
    *,
    dims: int = 200,
    condition: float = 30.0,
    gradient: float = 1.0,
    updates: int = 6,
    low: float = 1e-3,
    high: float = 1.0,
    noise: float = 0.0,
) -> Toy:
    curvature = np.geomspace(1.0 / condition, 1.0, dims)
    scale = gradient * np.sqrt(curvature)

    def tick(point: FloatArray, hp: Hyperparameters, generator: Generator) -> FloatArray:
        rate = float(hp["lr"])
        kicks = generator.standard_normal((updates, dims)) * (rate * scale)
        shrink = 1.0 - rate * curvature
        for kick in kicks:
            point = shrink * point - kick
        return point

    def score(point: FloatArray) -> float:
        loss = float(np.mean(curvature * point**2) / 2.0)
        return -math.log10(max(loss, 1e-300)) if loss < 1e6 else math.nan

    return Toy(
        name=name,
        space=Space.of({"lr": LogUniform(low, high)}),
        begin=lambda generator: generator.standard_normal(dims),
        tick=tick,
        score=score,
        noise=noise,
    )


def _deceptive() -> Toy:
    """After PBT-Zoo: what is best now, a small h, spoils what comes; the best schedule falls from 1 to 0 evenly."""
    steps = 10

    def tick(state: tuple[float, float, int], hp: Hyperparameters, generator: Generator) -> tuple[float, float, int]:
        point, spoilt, at = state
        h = float(hp["h"])
        rate = max(0.0, 2.0 - h - 0.2 * spoilt)
        point *= (1.0 - 0.002 * rate) ** steps
        return point, spoilt + abs(h - (TICKS - at) / TICKS), at + 1

    return Toy(
        name="deceptive",
        space=Space.of({"h": LogUniform(1e-4, 1.1)}),
        begin=lambda generator: (0.9, 0.0, 0),
        tick=tick,
        score=lambda state: 1.2 - state[0] ** 2,
        initial=lambda generator: {"h": float(generator.uniform(0.9, 1.1))},
    )


def _noise() -> Toy:
    return Toy(
        name="noise",
        space=Space.of({"lr": LogUniform(1e-4, 1.0)}),
        begin=lambda generator: 0.0,
        tick=lambda state, hp, generator: state,
        score=float,
        noise=1.0,
    )


def _mixed() -> Toy:
    """Half of the dimensions are listed or whole: gradient descent on a bowl with a method, a batch and a clip to find.

    The batch divides the noise and costs progress per tick; the method scales each direction or not; the best of both
    move as the noise takes over from the slope.
    """
    dims, curvature = 60, np.geomspace(0.01, 1.0, 60)

    def tick(state: tuple[FloatArray, FloatArray], hp: Hyperparameters, generator: Generator) -> Any:
        point, velocity = state
        rate, batch, keep = float(hp["lr"]), int(hp["batch"]), float(hp["momentum"])
        updates = max(1, 32 // batch)
        divide = {"plain": np.ones(dims), "scaled": np.sqrt(curvature), "sign": np.ones(dims)}[str(hp["method"])]
        for kick in generator.standard_normal((updates, dims)):
            slope = curvature * point + np.sqrt(curvature / batch) * kick
            step = np.sign(slope) * 0.1 if hp["method"] == "sign" else slope / divide
            step = step * min(1.0, int(hp["clip"]) / max(1e-9, float(np.linalg.norm(step))))
            velocity = keep * velocity - rate * step
            point = point + velocity
        return point, velocity

    def score(state: tuple[FloatArray, FloatArray]) -> float:
        loss = float(np.mean(curvature * state[0] ** 2) / 2.0)
        return -math.log10(max(loss, 1e-300)) if loss < 1e6 else math.nan

    return Toy(
        name="mixed",
        space=Space.of(
            {
                "lr": LogUniform(1e-3, 1.0),
                "momentum": Uniform(0.0, 0.9),
                "method": Choice(["plain", "scaled", "sign"]),
                "batch": Ordinal([1, 2, 4, 8, 16, 32]),
                "clip": IntUniform(1, 10),
            }
        ),
        begin=lambda generator: (generator.standard_normal(dims) * 2.0, np.zeros(dims)),
        tick=tick,
        score=score,
        noise=0.02,
    )


def _teacher() -> Toy:
    """A small network learns a noisy teacher by online gradient descent with momentum: greed cuts the rate too early."""
    inputs, hidden, batch, updates = 8, 32, 8, 60
    fixed = np.random.default_rng(5)
    first, second = fixed.standard_normal((inputs, 16)) / math.sqrt(inputs), fixed.standard_normal(16)
    grid = fixed.standard_normal((512, inputs))
    truth = np.tanh(grid @ first) @ second
    cut = (inputs * hidden, inputs * hidden + hidden)

    def begin(generator: Generator) -> FloatArray:
        weights = generator.standard_normal(inputs * hidden + 2 * hidden)
        weights[: cut[0]] /= math.sqrt(inputs)
        weights[cut[0] : cut[1]] = 0.0
        weights[cut[1] :] /= math.sqrt(hidden)
        return np.stack([weights, np.zeros_like(weights)])

    def tick_many(states: Sequence[Any], hps: Sequence[Hyperparameters], generators: Sequence[Generator]) -> list[Any]:
        both = np.stack(states)
        weights_PW, velocity_PW = both[:, 0].copy(), both[:, 1].copy()
        rate_P1 = np.array([[float(hp["lr"])] for hp in hps])
        keep_P1 = np.array([[float(hp["momentum"])] for hp in hps])
        x_PUBI = np.stack([g.standard_normal((updates, batch, inputs)) for g in generators])
        y_PUB = np.tanh(x_PUBI @ first) @ second + np.stack([g.standard_normal((updates, batch)) for g in generators])
        slope_PW, num = np.empty_like(weights_PW), len(states)
        for u in range(updates):
            x_PBI = x_PUBI[:, u]
            w_PIH = weights_PW[:, : cut[0]].reshape(num, inputs, hidden)
            a_PBH = np.tanh(x_PBI @ w_PIH + weights_PW[:, None, cut[0] : cut[1]])
            v_PH = weights_PW[:, cut[1] :]
            error_PB1 = ((a_PBH @ v_PH[:, :, None])[:, :, 0] - y_PUB[:, u])[:, :, None] / batch
            back_PBH = error_PB1 * v_PH[:, None, :] * (1.0 - a_PBH * a_PBH)
            slope_PW[:, : cut[0]] = (x_PBI.transpose(0, 2, 1) @ back_PBH).reshape(num, -1)
            slope_PW[:, cut[0] : cut[1]] = back_PBH.sum(1)
            slope_PW[:, cut[1] :] = (error_PB1 * a_PBH).sum(1)
            velocity_PW = keep_P1 * velocity_PW - rate_P1 * slope_PW
            weights_PW = weights_PW + velocity_PW
        return list(np.stack([weights_PW, velocity_PW], axis=1))

    def score(state: FloatArray) -> float:
        weights = state[0]
        hidden_values = np.tanh(grid @ weights[: cut[0]].reshape(inputs, hidden) + weights[cut[0] : cut[1]])
        loss = float(np.mean((hidden_values @ weights[cut[1] :] - truth) ** 2))
        return -math.log10(max(loss, 1e-300)) if loss < 1e6 else math.nan

    return Toy(
        name="teacher",
        space=Space.of({"lr": LogUniform(1e-4, 1.0), "momentum": Complement(0.0, 0.98)}),
        begin=begin,
        tick=lambda state, hp, generator: tick_many([state], [hp], [generator])[0],
        score=score,
        tick_many=tick_many,
    )


TOYS: Final[Mapping[str, Toy]] = {
    toy.name: toy
    for toy in (
        _triangle(),
        _quadratic("nqm"),
        _quadratic("nqm_noisy", noise=0.2),
        _quadratic("nqm_wide", low=1e-5, high=10.0),
        _quadratic("nqm_constant", gradient=0.01),
        _quadratic("bowl", dims=60, condition=10.0, gradient=0.5),
        _deceptive(),
        _teacher(),
        _mixed(),
        _noise(),
    )
}
"""By name; `noise` has nothing to find and is judged by the spread of hyperparameters."""


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
                        toy.tick(state, hp, generators[m]) for state, hp, m in zip(sources, settings, members, strict=True)
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
