"""What PPO computes from a rollout: advantages, and the loss whose gradient it follows. Pure functions of arrays.

Shapes: T moves of a rollout, E environments, B samples of a minibatch, A actions.
"""

from __future__ import annotations

from typing import TypedDict

import jax
import jax.numpy as jnp

_VALUE_COST = 0.5


class Batch(TypedDict):
    """What was seen and done, one row per sample."""

    observations: jax.Array
    """(B, F)"""
    actions: jax.Array
    """(B,), int32"""
    log_probs: jax.Array
    """(B,), of the actions under the policy that chose them."""
    advantages: jax.Array
    """(B,), normalised."""
    targets: jax.Array
    """(B,), what the value should have said."""


def advantages_of(
    rewards_TE: jax.Array,
    dones_TE: jax.Array,
    values_TE: jax.Array,
    last_values_E: jax.Array,
    *,
    discount: jax.Array | float,
    trace: jax.Array | float,
) -> jax.Array:
    """Returns generalised advantages (T, E): Schulman et al. 2016, arXiv 1506.02438, equation 16.

    A_t = delta_t + discount trace A_(t+1), delta_t = r_t + discount V(s_(t+1)) - V(s_t); nothing counts beyond an
    episode's end.

    Args:
        rewards_TE: Of each move.
        dones_TE: Whether the move ended an episode, bool.
        values_TE: Of the state before each move.
        last_values_E: Of the states after the last move.
        discount: The paper's gamma.
        trace: The paper's lambda.
    """
    going_TE = 1.0 - dones_TE.astype(jnp.float32)
    next_values_TE = jnp.concatenate([values_TE[1:], last_values_E[None]])
    deltas_TE = rewards_TE + discount * going_TE * next_values_TE - values_TE

    def back(later_E: jax.Array, move: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta_E, going_E = move
        advantage_E = delta_E + discount * trace * going_E * later_E
        return advantage_E, advantage_E

    zeros_E = jnp.zeros_like(last_values_E)
    _, advantages_TE = jax.lax.scan(back, zeros_E, (deltas_TE, going_TE), reverse=True)
    return advantages_TE


def normalised(advantages: jax.Array) -> jax.Array:
    """Returns advantages of mean 0 and standard deviation 1."""
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def log_prob_of(logits: jax.Array, actions: jax.Array) -> jax.Array:
    """Returns the log-probability of one action per row: (..., A), (...) -> (...)."""
    # A mask instead of an index: its gradient is a product, an index' gradient is a scatter.
    chosen = actions[..., None] == jnp.arange(logits.shape[-1])
    return jnp.sum(jnp.where(chosen, jax.nn.log_softmax(logits), 0.0), -1)


def clipped_loss(
    logits_BA: jax.Array,
    values_B: jax.Array,
    batch: Batch,
    *,
    clip: jax.Array | float,
    entropy_cost: jax.Array | float,
) -> jax.Array:
    """Returns the loss to be made small: Schulman et al. 2017, arXiv 1707.06347, equation 9 with the sign turned.

    The clipped surrogate objective (their equation 7), half the squared error of the value, and a bonus for entropy.
    The value's error is not clipped: the paper does not, implementations often do.
    """
    log_probs_BA = jax.nn.log_softmax(logits_BA)
    ratio_B = jnp.exp(log_prob_of(logits_BA, batch["actions"]) - batch["log_probs"])
    advantages_B = batch["advantages"]
    bounded_B = jnp.clip(ratio_B, 1.0 - clip, 1.0 + clip)
    gain = jnp.minimum(ratio_B * advantages_B, bounded_B * advantages_B).mean()
    error = jnp.square(values_B - batch["targets"]).mean()
    entropy = -jnp.sum(jnp.exp(log_probs_BA) * log_probs_BA, -1).mean()
    return _VALUE_COST * error - gain - entropy_cost * entropy
