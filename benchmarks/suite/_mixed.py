"""A noisy quadratic of which half of the hyperparameters are no numbers on a scale: batch size and rule of the update.

A task of our own. Every tick spends the same 192 gradient samples (of 60 dimensions, condition 30, noise as the
square root of the curvature): a batch of b samples makes 192 / b updates along their mean, so large batches are calm
and slow. Four dimensions: `learning_rate` (log), `momentum` (complement), `batch` (a power of two, an integer exponent
0 .. 6) and `rule`: follow the mean (0), its sign (1), or its direction with a length of 1 per dimension (2).
What is best is meant to change: small batches and signs far away, large batches and the mean near the optimum.
Score and test are -log10 of the exact loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.suite._task import Task
from populace.jax import Trainable
from populace.space import Choice, Complement, IntUniform, LogUniform

_DIMS, _CONDITION, _SAMPLES = 60, 30.0, 64


@final
class Mixed(Trainable):
    """One step is 64 samples."""

    def __init__(self) -> None:
        self.curvature_D = np.geomspace(1.0 / _CONDITION, 1.0, _DIMS).astype(np.float32)

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        point = jax.random.normal(key, (_DIMS,))
        return {"point": point, "velocity": jnp.zeros_like(point)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        batch = jnp.left_shift(jnp.int32(1), hp["batch"])
        noise_SD = jnp.sqrt(self.curvature_D) * jax.random.normal(key, (_SAMPLES, _DIMS))

        def sample(carry: Any, given: Any) -> Any:
            point, velocity, total = carry
            noise, count = given
            total = total + self.curvature_D * point + noise
            mean = total / batch
            unit = mean * jax.lax.rsqrt(jnp.mean(jnp.square(mean)) + 1e-12)
            ways = jnp.stack([mean, jnp.sign(mean), unit])
            velocity_next = hp["momentum"] * velocity - hp["learning_rate"] * ways[hp["rule"]]
            is_due = count % batch == 0
            kept = (point + velocity_next, velocity_next, jnp.zeros_like(total))
            return jax.tree.map(lambda a, b: jnp.where(is_due, a, b), kept, (point, velocity, total)), None

        begin = (state["point"], state["velocity"], jnp.zeros(_DIMS))
        (point, velocity, _), _ = jax.lax.scan(sample, begin, (noise_SD, 1 + jnp.arange(_SAMPLES)))
        return {"point": point, "velocity": velocity}

    def evaluate(self, key: Any, state: Any) -> Any:
        return -jnp.log10(jnp.mean(self.curvature_D * jnp.square(state["point"]) / 2.0))

    def test(self, key: Any, state: Any) -> Any:
        return self.evaluate(key, state)


def mixed() -> Task:
    task = Mixed()
    return Task(
        name="mixed",
        trainable=task,
        space={
            "learning_rate": LogUniform(1e-3, 1.0),
            "momentum": Complement(0.0, 0.98),
            "batch": IntUniform(0, 6),
            "rule": Choice([0, 1, 2]),
        },
        steps_per_tick=3,
        test=task.test,
        source="ours; no optimum known",
    )
