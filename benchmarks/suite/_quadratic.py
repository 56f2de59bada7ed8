"""Noisy quadratics: gradient descent on a bowl with noise on every gradient; a rate must be large first, small later.

`nqm`, the noisy quadratic model (Zhang et al. 2019, arXiv 1907.04164, section 3; the formulas are in
`populace.demos.NoisyQuadratic`): 200 dimensions, condition 30, the noise's covariance equal to the curvature, 600
updates. In expectation the best constant rate ends at 2.475 and the best schedule at 2.911 with 30 rates, 2.912 with
100 (-log10 of the loss). The loss of an iterate is known exactly, so a lucky one is a real gain.

`nqm_noisy`: the score seen carries noise of 0.2 decades; the test is without. `nqm_wide`: six decades of rates of
which the upper third diverges. `nqm_constant`: a hundredth of the noise, so that a good constant exists (5.766 in
expectation). `bowl`: 60 dimensions, condition 10, noise of deviation 0.5 on every coordinate of the gradient,
momentum tuned as well; the score is -log10 of the sum, not of the mean.

Shapes: D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.suite._task import Task
from populace.jax import Trainable
from populace.space import Complement, LogUniform


@final
@dataclass(kw_only=True)
class Quadratic(Trainable):
    """Stochastic gradient descent, with momentum where that is tuned; one step is one update."""

    num_dims: int = 200
    condition: float = 30.0
    noise: float = 1.0
    """Standard deviation of the gradient's noise, in units of `noise_like`."""
    is_even: bool = False
    """Whether the noise is the same on every coordinate, instead of the square root of its curvature."""
    is_summed: bool = False
    """Whether the loss is the sum over dimensions instead of their mean."""
    blur: float = 0.0
    """Standard deviation of the noise on a score that is seen, in decades."""

    def __post_init__(self) -> None:
        self.curvature_D = np.geomspace(1.0 / self.condition, 1.0, self.num_dims).astype(np.float32)

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        point = jax.random.normal(key, (self.num_dims,))
        return {"point": point, "velocity": jnp.zeros_like(point)} if "momentum" in hp else {"point": point}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        scale = 1.0 if self.is_even else jnp.sqrt(self.curvature_D)
        kick = self.noise * scale * jax.random.normal(key, (self.num_dims,))
        change = -hp["learning_rate"] * (self.curvature_D * state["point"] + kick)
        if "momentum" not in hp:
            return {"point": state["point"] + change}
        velocity = hp["momentum"] * state["velocity"] + change
        return {"point": state["point"] + velocity, "velocity": velocity}

    def evaluate(self, key: Any, state: Any) -> Any:
        return self.test(key, state) + self.blur * jax.random.normal(key)

    def test(self, key: Any, state: Any) -> Any:
        """Returns -log10 of the exact loss."""
        parts_D = self.curvature_D * jnp.square(state["point"]) / 2.0
        return -jnp.log10(jnp.sum(parts_D) if self.is_summed else jnp.mean(parts_D))


_RATE = {"learning_rate": LogUniform(1e-3, 1.0)}


def nqm() -> Task:
    return _task("nqm", Quadratic())


def nqm_noisy() -> Task:
    return _task("nqm_noisy", Quadratic(blur=0.2))


def nqm_wide() -> Task:
    return _task("nqm_wide", Quadratic(), {"learning_rate": LogUniform(1e-4, 1e2)})


def nqm_constant() -> Task:
    return _task("nqm_constant", Quadratic(noise=0.01))


def bowl() -> Task:
    task = Quadratic(num_dims=60, condition=10.0, noise=0.5, is_even=True, is_summed=True)
    return _task("bowl", task, {**_RATE, "momentum": Complement(0.0, 0.98)})


def _task(name: str, trainable: Quadratic, space: Mapping[str, Any] = _RATE) -> Task:
    return Task(
        name=name,
        trainable=trainable,
        space=space,
        steps_per_tick=6,
        test=trainable.test,
        source="noisy quadratic model, arXiv 1907.04164; nqm: best constant 2.475, best schedule 2.911 in expectation",
    )
