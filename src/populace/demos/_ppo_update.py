"""What PPO learns from a rollout: several passes through it in minibatches, each an update by Adam.

Shapes: S samples of a rollout, U updates, B samples of a minibatch, W weights.
"""

from __future__ import annotations

from typing import Final, TypedDict

import jax
import jax.numpy as jnp

from populace.demos._ppo_loss import Batch, clipped_loss
from populace.demos._ppo_network import Network

MAX_NORM: Final = 0.5
_NUM_EPOCHS, _NUM_MINIBATCHES = 3, 4
_ADAM = (0.9, 0.999, 1e-5)


class Learner(TypedDict):
    """The weights and what Adam remembers of their gradients."""

    weights: jax.Array
    """(W,), float32"""
    mean: jax.Array
    """(W,), of the gradients"""
    square: jax.Array
    """(W,), mean of the squared gradients"""
    num_updates: jax.Array
    """(), int32"""


def beginner(weights_W: jax.Array) -> Learner:
    """Returns a learner that has learnt nothing yet."""
    zeros_W = jnp.zeros_like(weights_W)
    return {"weights": weights_W, "mean": zeros_W, "square": zeros_W, "num_updates": jnp.int32(0)}


def learn(
    key: jax.Array,
    network: Network,
    learner: Learner,
    batch: Batch,
    *,
    learning_rate: jax.Array,
    clip: jax.Array,
    entropy_cost: jax.Array,
) -> Learner:
    """Returns the learner after going 3 times through the S samples, each time in another order, in 4 minibatches."""
    num_samples = len(batch["actions"])
    orders = [jax.random.permutation(each, num_samples) for each in jax.random.split(key, _NUM_EPOCHS)]

    def loss(layers: list[jax.Array], chosen: Batch) -> jax.Array:
        logits_BA, values_B = network.apply(layers, chosen["observations"])
        return clipped_loss(logits_BA, values_B, chosen, clip=clip, entropy_cost=entropy_cost)

    def update(learner: Learner, order_B: jax.Array) -> tuple[Learner, None]:
        chosen = jax.tree.map(lambda array: array[order_B], batch)
        slopes = jax.grad(loss)(network.layers(learner["weights"]), chosen)
        slope_W = jnp.concatenate([slope.ravel() for slope in slopes])
        return adam(learner, slope_W, learning_rate), None

    # All updates are turns of one loop: unrolled, the program would take minutes to compile.
    orders_UB = jnp.stack(orders).reshape(_NUM_EPOCHS * _NUM_MINIBATCHES, -1)
    learner, _ = jax.lax.scan(update, learner, orders_UB)
    return learner


def adam(learner: Learner, slope_W: jax.Array, learning_rate: jax.Array) -> Learner:
    """Returns the learner after one update along a gradient of norm at most 0.5.

    Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1).
    """
    decay_mean, decay_square, epsilon = _ADAM
    norm = jnp.sqrt(jnp.sum(jnp.square(slope_W)))
    slope_W = slope_W * jnp.minimum(1.0, MAX_NORM / (norm + 1e-8))
    num_updates = learner["num_updates"] + 1
    mean_W = decay_mean * learner["mean"] + (1.0 - decay_mean) * slope_W
    square_W = decay_square * learner["square"] + (1.0 - decay_square) * jnp.square(slope_W)
    unbiased_W = mean_W / (1.0 - decay_mean**num_updates)
    spread_W = jnp.sqrt(square_W / (1.0 - decay_square**num_updates))
    return {
        "weights": learner["weights"] - learning_rate * unbiased_W / (spread_W + epsilon),
        "mean": mean_W,
        "square": square_W,
        "num_updates": num_updates,
    }
