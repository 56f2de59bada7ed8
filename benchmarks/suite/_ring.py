"""A ring of 8 Gaussians to be imitated by a generative adversarial network; a good constant lies in a corner.

Generator 2 - 32 - 32 - 2 and discriminator 2 - 32 - 32 - 1 (rectified), batches of 64, Adam with beta1 = 0.5 for both
(Goodfellow et al. 2014, arXiv 1406.2661, with the non-saturating loss); their rates are tuned over 1500 steps. The
Gaussians stand at radius 1 with deviation 0.05. Score: exp(entropy of which Gaussians are met) times the share of
samples within 3 deviations of one, on 512 samples; test: the same on 4096. 8 is the best there is. A good constant
exists and runs are short, so population training has little to win here: an honest negative.

Shapes: B samples, Z = 2 numbers that a sample is made from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp

from benchmarks.suite._task import Task
from populace.jax import Trainable
from populace.space import LogUniform

_MODES, _RADIUS, _DEVIATION = 8, 1.0, 0.05
_BATCH, _Z, _H = 64, 2, 32
_BETAS, _EPSILON = (0.5, 0.999), 1e-8


@final
class Ring(Trainable):
    """One step is an update of the discriminator and one of the generator."""

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        one, two = jax.random.split(key)
        return {"d": _learner(one, (2, _H, _H, 1)), "g": _learner(two, (_Z, _H, _H, 2))}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        k_real, k_d, k_g = jax.random.split(key, 3)
        real_B = real(k_real, _BATCH)
        made_B = _apply(state["g"]["weights"], jax.random.normal(k_d, (_BATCH, _Z)))

        def discriminate(weights: Any) -> Any:
            is_real, is_made = _apply(weights, real_B), _apply(weights, made_B)
            return jnp.mean(jax.nn.softplus(-is_real)) + jnp.mean(jax.nn.softplus(is_made))

        judge = _adam(state["d"], jax.grad(discriminate)(state["d"]["weights"]), hp["rate_d"])

        def generate(weights: Any) -> Any:
            made_B = _apply(weights, jax.random.normal(k_g, (_BATCH, _Z)))
            return jnp.mean(jax.nn.softplus(-_apply(judge["weights"], made_B)))

        maker = _adam(state["g"], jax.grad(generate)(state["g"]["weights"]), hp["rate_g"])
        return {"d": judge, "g": maker}

    def evaluate(self, key: Any, state: Any) -> Any:
        return self._score(key, state, 512)

    def test(self, key: Any, state: Any) -> Any:
        return self._score(key, state, 4096)

    def _score(self, key: Any, state: Any, count: int) -> Any:
        made_B = _apply(state["g"]["weights"], jax.random.normal(key, (count, _Z)))
        return jnp.where(jnp.isfinite(made_B).all(), modes_score(made_B), jnp.nan)


def real(key: Any, count: int) -> Any:
    """Returns samples of the ring (count, 2)."""
    one, two = jax.random.split(key)
    angle = 2.0 * math.pi * jax.random.randint(one, (count,), 0, _MODES) / _MODES
    centre = _RADIUS * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)
    return centre + _DEVIATION * jax.random.normal(two, (count, 2))


def modes_score(samples_B: Any) -> Any:
    """Returns exp(entropy of the Gaussians that are met) times the share of samples that meet one."""
    angle = 2.0 * math.pi * jnp.arange(_MODES) / _MODES
    centres = _RADIUS * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)
    distance = jnp.linalg.norm(samples_B[:, None] - centres, axis=-1)
    meets = (distance < 3.0 * _DEVIATION).astype(jnp.float32)
    hits = meets.sum(0)
    share = hits / jnp.maximum(hits.sum(), 1.0)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.maximum(share, 1e-12)), 0.0))
    return jnp.exp(entropy) * hits.sum() / len(samples_B)


def _learner(key: Any, sizes: tuple[int, ...]) -> Any:
    keys = jax.random.split(key, len(sizes) - 1)
    weights = [
        (jax.random.normal(k, (a, b)) * (2.0 / a) ** 0.5, jnp.zeros(b))
        for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return {"weights": weights, "mean": zeros, "square": zeros, "count": jnp.int32(0)}


def _apply(weights: Any, x: Any) -> Any:
    for w, b in weights[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = weights[-1]
    return x @ w + b


def _adam(learner: Any, slope: Any, rate: Any) -> Any:
    one, two = _BETAS
    count = learner["count"] + 1
    mean = jax.tree.map(lambda m, g: one * m + (1 - one) * g, learner["mean"], slope)
    square = jax.tree.map(lambda s, g: two * s + (1 - two) * g * g, learner["square"], slope)

    def moved(w: Any, m: Any, s: Any) -> Any:
        return w - rate * (m / (1 - one**count)) / (jnp.sqrt(s / (1 - two**count)) + _EPSILON)

    weights = jax.tree.map(moved, learner["weights"], mean, square)
    return {"weights": weights, "mean": mean, "square": square, "count": count}


def ring() -> Task:
    task = Ring()
    return Task(
        name="ring",
        trainable=task,
        space={"rate_d": LogUniform(1e-5, 1e-1), "rate_g": LogUniform(1e-5, 1e-1)},
        steps_per_tick=15,
        test=task.test,
        source="ring of 8 Gaussians, a usual toy of adversarial networks; at most 8",
        num_seeds=32,
        seeds_at_once=8,
    )
