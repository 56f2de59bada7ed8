"""Toy tasks for policies, each trained in a blink: what docs/decisions/0012-robust-default.md was measured on.

One tick is a hundredth of a run. Shapes: P members, U updates in a tick, B rows of a batch, I inputs, H hidden units,
W weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from populace.space import Choice, Complement, Hyperparameters, IntUniform, LogUniform, Ordinal, Space, Uniform

FloatArray = npt.NDArray[np.float64]
Generator = np.random.Generator

TICKS: Final = 100
"""Ticks in a run."""


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
        is_noise: Whether there is nothing to find, so that the spread of hyperparameters is judged.
    """

    name: str
    space: Space
    begin: Callable[[Generator], Any]
    tick: Callable[[Any, Hyperparameters, Generator], Any]
    score: Callable[[Any], float]
    noise: float = 0.0
    initial: Callable[[Generator], Hyperparameters] | None = None
    tick_many: Callable[[Sequence[Any], Sequence[Hyperparameters], Sequence[Generator]], list[Any]] | None = None
    is_noise: bool = False


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
        is_noise=True,
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
    """A small network learns a noisy teacher by gradient descent with momentum: greed cuts the rate too early."""
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
