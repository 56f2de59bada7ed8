"""Acrobot: two rods hang from a pivot, a motor sits in the joint between them; swing the tip up.

Dynamics, limits and goal are those of Sutton and Barto (1998), section 11.3: both rods 1 m and 1 kg, the centres of
mass in their middles, moments of inertia 1. Departures: a move of 0.2 s is one step of the classical Runge-Kutta
method of order 4, and an episode starts not quite at rest and has at most 500 moves.

Angles in radians: `angle` (2,) holds the first rod's against hanging down, and the second's against the first;
`velocity` (2,) their rates.
"""

from __future__ import annotations

import math
from typing import final

import jax
import jax.numpy as jnp

from populace.demos._environment import Environment, World

MOVE_S = 0.2
_GRAVITY = 9.8
_CENTRE = 0.5
_INERTIA = 1.0
_MAX_VELOCITY = (4 * math.pi, 9 * math.pi)


@final
class Acrobot(Environment):
    """Swing the tip one rod's length above the pivot; 3 torques (-1, 0, 1), -1 for every move until it is there."""

    num_actions = 3
    num_features = 6
    max_moves = 500
    worst_return = -500.0
    reward_scale = 0.1

    def begin(self, key: jax.Array) -> World:
        """Returns rods that nearly hang and nearly rest: everything uniform in -0.1 .. 0.1."""
        drawn = jax.random.uniform(key, (2, 2), jnp.float32, -0.1, 0.1)
        return {"angle": drawn[0], "velocity": drawn[1]}

    def move(self, world: World, action: jax.Array) -> tuple[World, jax.Array, jax.Array]:
        """Holds one torque for 0.2 s."""
        angle, velocity = swing(world["angle"], world["velocity"], (action - 1).astype(jnp.float32), MOVE_S)
        angle = (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
        limit = jnp.array(_MAX_VELOCITY, jnp.float32)
        over = -jnp.cos(angle[0]) - jnp.cos(angle[0] + angle[1]) > 1.0
        moved = {"angle": angle, "velocity": jnp.clip(velocity, -limit, limit)}
        return moved, jnp.where(over, 0.0, -1.0), over

    def look(self, world: World) -> jax.Array:
        """Returns cosines, sines, and rates in units of half a turn per second."""
        angle = world["angle"]
        return jnp.concatenate([jnp.cos(angle), jnp.sin(angle), world["velocity"] / jnp.pi])


def swing(
    angle: jax.Array, velocity: jax.Array, torque: jax.Array | float, seconds: float
) -> tuple[jax.Array, jax.Array]:
    """Returns angles and velocities after one Runge-Kutta step of this length."""
    start = jnp.stack([angle, velocity])

    def slope(at: jax.Array) -> jax.Array:
        return jnp.stack([at[1], _acceleration(at[0], at[1], torque)])

    first = slope(start)
    second = slope(start + 0.5 * seconds * first)
    third = slope(start + 0.5 * seconds * second)
    fourth = slope(start + seconds * third)
    end = start + seconds / 6.0 * (first + 2.0 * second + 2.0 * third + fourth)
    return end[0], end[1]


def energy(angle: jax.Array, velocity: jax.Array) -> jax.Array:
    """Returns the energy in joules: of motion, and of height against the pivot."""
    (first, second), (rate, rate_2) = angle, velocity
    spin = rate + rate_2
    height_1 = -_CENTRE * jnp.cos(first)
    height_2 = -jnp.cos(first) - _CENTRE * jnp.cos(first + second)
    speed_2 = rate**2 + (_CENTRE * spin) ** 2 + 2.0 * _CENTRE * rate * spin * jnp.cos(second)
    motion = 0.5 * ((_CENTRE * rate) ** 2 + speed_2) + 0.5 * _INERTIA * (rate**2 + spin**2)
    return motion + _GRAVITY * (height_1 + height_2)


def _acceleration(angle: jax.Array, velocity: jax.Array, torque: jax.Array | float) -> jax.Array:
    """Returns the angular accelerations (2,): the equations of motion of the book."""
    (first, second), (rate, rate_2) = angle, velocity
    coupling = _CENTRE * jnp.cos(second)
    d1 = 2.0 * _CENTRE**2 + 1.0 + 2.0 * coupling + 2.0 * _INERTIA
    d2 = _CENTRE**2 + coupling + _INERTIA
    bend = _CENTRE * jnp.sin(second)
    phi2 = _CENTRE * _GRAVITY * jnp.sin(first + second)
    phi1 = -bend * rate_2**2 - 2.0 * bend * rate_2 * rate + (_CENTRE + 1.0) * _GRAVITY * jnp.sin(first) + phi2
    rest = torque + d2 / d1 * phi1 - bend * rate**2 - phi2
    acceleration_2 = rest / (_CENTRE**2 + _INERTIA - d2**2 / d1)
    return jnp.stack([-(d2 * acceleration_2 + phi1) / d1, acceleration_2])
