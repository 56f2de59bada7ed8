"""Pendulum: swing a rod up with a motor that is too weak to lift it at once, and hold it there.

The classic task with the usual numbers (rod 1 m, 1 kg, gravity 10, moves of 0.05 s, torque within 2 Nm, episodes of 200
moves), with five torques to choose from instead of a continuous one.

A world is `angle` (radians against upright) and `velocity` (radians per second), float32 scalars.
"""

from __future__ import annotations

import math
from typing import final

import jax
import jax.numpy as jnp

from populace.demos._environment import Environment, World

MAX_SPEED = 8.0
_MOVE_S = 0.05
_GRAVITY = 10.0
_WORST_REWARD = -(math.pi**2 + 0.1 * MAX_SPEED**2 + 0.001 * 2.0**2)


@final
class Pendulum(Environment):
    """Five torques (-2, -1, 0, 1, 2); the reward is minus the cost of angle, speed and torque, about -16 to 0."""

    num_actions = 5
    num_features = 3
    max_moves = 200
    worst_return = 200 * _WORST_REWARD
    reward_scale = 0.1

    def begin(self, key: jax.Array) -> World:
        """Returns any angle, and a speed within 1."""
        drawn = jax.random.uniform(key, (2,), jnp.float32, -1.0, 1.0)
        return {"angle": jnp.pi * drawn[0], "velocity": drawn[1]}

    def move(self, world: World, action: jax.Array) -> tuple[World, jax.Array, jax.Array]:
        """Holds one torque for 0.05 s; an episode is never over before its time."""
        angle, velocity = world["angle"], world["velocity"]
        torque = (action - 2).astype(jnp.float32)
        reward = -(angle**2 + 0.1 * velocity**2 + 0.001 * torque**2)
        faster = velocity + (1.5 * _GRAVITY * jnp.sin(angle) + 3.0 * torque) * _MOVE_S
        faster = jnp.clip(faster, -MAX_SPEED, MAX_SPEED)
        turned = (angle + faster * _MOVE_S + jnp.pi) % (2 * jnp.pi) - jnp.pi
        return {"angle": turned, "velocity": faster}, reward, jnp.zeros((), bool)

    def look(self, world: World) -> jax.Array:
        """Returns cosine, sine, and the speed as a share of half the largest one."""
        angle = world["angle"]
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), world["velocity"] / (MAX_SPEED / 2)])
