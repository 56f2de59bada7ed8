"""Playing: a rollout in several environments at a time, and whole episodes.

Shapes: T moves of a rollout, E environments, F features, A actions.
"""

from __future__ import annotations

from typing import Any, TypedDict

import jax
import jax.numpy as jnp

from populace.demos._environment import Environment, Episode, World
from populace.demos._ppo_loss import log_prob_of
from populace.demos._ppo_network import Network


class Rollout(TypedDict):
    """What was seen, done and felt in T moves of E environments."""

    observations: jax.Array
    """(T, E, F), before each move"""
    actions: jax.Array
    """(T, E), int32"""
    log_probs: jax.Array
    """(T, E), of the actions"""
    values: jax.Array
    """(T, E), what the network expected before each move"""
    rewards: jax.Array
    """(T, E)"""
    dones: jax.Array
    """(T, E), bool: whether the move ended an episode"""
    last_values: jax.Array
    """(E,), what the network expected after the last move"""


def play(
    key: jax.Array,
    environment: Environment,
    network: Network,
    layers: list[jax.Array],
    episodes: Episode,
    *,
    num_moves: int,
) -> tuple[Episode, Rollout]:
    """Returns the episodes, and what happened in this many moves."""
    key_noise, key_resets = jax.random.split(key)
    shape = (num_moves, len(jax.tree.leaves(episodes)[0]))
    # The largest of logits plus Gumbel noise is a draw from the softmax; all noise at once is cheaper than by move.
    noise_TEA = jax.random.gumbel(key_noise, (*shape, environment.num_actions), jnp.float32)

    def move(episodes: Episode, given: tuple[jax.Array, jax.Array]) -> Any:
        noise_EA, keys_E = given
        observations_EF = jax.vmap(environment.observe)(episodes)
        logits_EA, values_E = network.apply(layers, observations_EF)
        actions_E = jnp.argmax(logits_EA + noise_EA, -1)
        episodes, rewards_E, dones_E = jax.vmap(environment.step)(keys_E, episodes, actions_E)
        seen = {
            "observations": observations_EF,
            "actions": actions_E,
            "log_probs": log_prob_of(logits_EA, actions_E),
            "values": values_E,
            "rewards": rewards_E,
            "dones": dones_E,
        }
        return episodes, seen

    given = (noise_TEA, jax.random.split(key_resets, shape))
    episodes, rollout = jax.lax.scan(move, episodes, given)
    _, rollout["last_values"] = network.apply(layers, jax.vmap(environment.observe)(episodes))
    return episodes, rollout


def fresh_returns(
    key: jax.Array, environment: Environment, network: Network, layers: list[jax.Array], *, num_episodes: int
) -> jax.Array:
    """Returns the returns (num_episodes,) of episodes from their start to their end, actions drawn as in training.

    Every episode counts, however long: taking those that end first would prefer short ones.
    """
    key_starts, key_moves = jax.random.split(key)
    worlds = jax.vmap(environment.begin)(jax.random.split(key_starts, num_episodes))

    def is_on(carry: tuple[World, jax.Array, jax.Array, jax.Array]) -> Any:
        _, _, is_open, moves = carry
        return is_open.any() & (moves < environment.max_moves)

    def move(carry: tuple[World, jax.Array, jax.Array, jax.Array]) -> Any:
        worlds, sums, is_open, moves = carry
        # One split more than is needed: the published figures were played with these keys.
        key_actions, _ = jax.random.split(jax.random.fold_in(key_moves, moves))
        logits, _ = network.apply(layers, jax.vmap(environment.look)(worlds))
        actions = jax.random.categorical(key_actions, logits)
        worlds, rewards, over = jax.vmap(environment.move)(worlds, actions)  # an episode that is over plays on unseen
        return worlds, sums + jnp.where(is_open, rewards, 0.0), is_open & ~over, moves + 1

    begun = (worlds, jnp.zeros(num_episodes, jnp.float32), jnp.ones(num_episodes, bool), jnp.int32(0))
    sums: jax.Array = jax.lax.while_loop(is_on, move, begun)[1]
    return sums
