"""Small worlds to act in, as pure functions: what every environment of the deep-RL example promises.

A world begins, moves by one action at a time and is seen as a vector of numbers. Everything else is the same for all
and stands here: counting the moves, ending an episode that takes too long, and beginning the next one in the same
move (auto-reset), so that a rollout is a loop of fixed length that never waits for an episode to end.

All functions are made for `jax.vmap` and `jax.jit`: they take and return one world, and hold no randomness but keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict, final

import jax
import jax.numpy as jnp

World: TypeAlias = Mapping[str, jax.Array]
"""What an environment knows of its world: named arrays of fixed shapes."""


class Episode(TypedDict):
    """A world and how long it has lived."""

    world: World
    age: jax.Array
    """Moves since the episode began, int32."""


class Environment(ABC):
    """Rules of a world with few actions. Subclasses say how it begins, moves and looks.

    Attributes:
        num_actions: Actions are 0 .. num_actions - 1.
        num_features: Length of an observation.
        max_moves: Moves after which an episode ends whatever happens. An end like any other: learning does not look
            beyond it, although a limit of time is no part of the world (Pardo et al. 2018, arXiv 1712.00378).
        worst_return: No episode's sum of rewards is below it.
        reward_scale: What a reward is multiplied by before anything is learnt from it, so that returns are of the
            order of one to ten. Returns that are reported are not scaled.
    """

    num_actions: int
    num_features: int
    max_moves: int
    worst_return: float
    reward_scale: float = 1.0

    @abstractmethod
    def begin(self, key: jax.Array) -> World:
        """Returns a world at the start of an episode; depends on the key alone."""

    @abstractmethod
    def move(self, world: World, action: jax.Array) -> tuple[World, jax.Array, jax.Array]:
        """Returns the world after an action, the reward (float32) and whether the episode is over (bool)."""

    @abstractmethod
    def look(self, world: World) -> jax.Array:
        """Returns the observation: float32, shape (num_features,), each number of the order of one."""

    @final
    def reset(self, key: jax.Array) -> Episode:
        """Returns a new episode."""
        return {"world": self.begin(key), "age": jnp.int32(0)}

    @final
    def step(self, key: jax.Array, episode: Episode, action: jax.Array) -> tuple[Episode, jax.Array, jax.Array]:
        """Returns the episode after an action, or the next one where that ended; the reward; whether it ended.

        The key is used only for the next episode's start.
        """
        world, reward, over = self.move(episode["world"], action)
        age = episode["age"] + 1
        done = over | (age >= self.max_moves)
        moved: Episode = {"world": world, "age": age}
        return choose(done, self.reset(key), moved), reward, done

    @final
    def observe(self, episode: Episode) -> jax.Array:
        """Returns what can be seen of an episode, float32, shape (num_features,)."""
        return self.look(episode["world"])


def choose(condition: jax.Array, first: Any, second: Any) -> Any:
    """Returns, leaf by leaf, the first tree where the (scalar) condition holds and the second elsewhere."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
