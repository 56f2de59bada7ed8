"""A small network that learns from a noisy teacher: an online regression whose best rate and momentum fall with time.

The student (8 - 32 tanh - 1) sees batches of 8 fresh inputs with labels of noise 1; rate and momentum of stochastic
gradient descent are tuned over 6000 updates. The score is -log10 of the mean squared error against the teacher without
noise, on 512 held-out inputs; the test is the same on 4096 others. The teacher is one random network with 8 hidden
units, the same for all seeds; no optimum is known, a perfect student has no upper limit. Greedy selection loses here:
a smaller rate is always better at once.

Shapes: B samples of a batch, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.suite._task import Task
from populace.jax import Trainable
from populace.space import Complement, LogUniform
from populace.worker import Shrinkable

_FEATURES, _HIDDEN, _BATCH = 8, 32, 8


@final
class Teacher(Trainable, Shrinkable):
    """One step is an update."""

    def __init__(self, *, num_hidden: int = 8, noise: float = 1.0, scale: float = 1.5) -> None:
        rng = np.random.default_rng(0)
        self.teacher = {
            "w1": rng.standard_normal((_FEATURES, num_hidden)).astype(np.float32) * np.float32(scale / _FEATURES**0.5),
            "b1": np.zeros(num_hidden, np.float32),
            "w2": rng.standard_normal(num_hidden).astype(np.float32) / np.float32(num_hidden**0.5),
            "b2": np.zeros((), np.float32),
        }
        self.seen_BF = rng.standard_normal((512, _FEATURES)).astype(np.float32)
        self.unseen_BF = rng.standard_normal((4096, _FEATURES)).astype(np.float32)
        self.noise = noise

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        one, two = jax.random.split(key)
        weights = {
            "w1": jax.random.normal(one, (_FEATURES, _HIDDEN)) / _FEATURES**0.5,
            "b1": jnp.zeros(_HIDDEN),
            "w2": jax.random.normal(two, (_HIDDEN,)) / _HIDDEN**0.5,
            "b2": jnp.zeros(()),
        }
        return {"weights": weights, "velocity": jax.tree.map(jnp.zeros_like, weights)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        one, two = jax.random.split(key)
        inputs_BF = jax.random.normal(one, (_BATCH, _FEATURES))
        labels_B = _told(self.teacher, inputs_BF) + self.noise * jax.random.normal(two, (_BATCH,))

        def loss(weights: Any) -> Any:
            return jnp.mean(jnp.square(_told(weights, inputs_BF) - labels_B)) / 2.0

        slope = jax.grad(loss)(state["weights"])
        velocity = jax.tree.map(lambda v, g: hp["momentum"] * v - hp["learning_rate"] * g, state["velocity"], slope)
        return {"weights": jax.tree.map(jnp.add, state["weights"], velocity), "velocity": velocity}

    def shrink(self, state: Any, fresh: Any, keep: Any, renew: Any) -> Any:
        mixed = jax.tree.map(lambda old, new: keep * old + renew * new, state["weights"], fresh["weights"])
        return {"weights": mixed, "velocity": fresh["velocity"]}

    def evaluate(self, key: Any, state: Any) -> Any:
        return self._score(state, self.seen_BF)

    def test(self, key: Any, state: Any) -> Any:
        return self._score(state, self.unseen_BF)

    def _score(self, state: Any, inputs_BF: Any) -> Any:
        gap_B = _told(state["weights"], inputs_BF) - _told(self.teacher, inputs_BF)
        return -jnp.log10(jnp.mean(jnp.square(gap_B)))


def _told(weights: Any, inputs_BF: Any) -> Any:
    return jnp.tanh(inputs_BF @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]


def teacher() -> Task:
    task = Teacher()
    return Task(
        name="teacher",
        trainable=task,
        space={"learning_rate": LogUniform(1e-4, 1.0), "momentum": Complement(0.0, 0.98)},
        steps_per_tick=60,
        test=task.test,
        source="online regression on a noisy teacher; no optimum known",
        num_seeds=48,  # sixteen separated too little on the seeds for choosing
    )
