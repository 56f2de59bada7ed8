"""A task written for JAX, trained member by member: its functions compiled once in every process that trains.

The task's functions take JAX keys and hyperparameters that are arrays. Whoever trains it as one compiled program for a
whole population needs none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, final

import jax
import jax.numpy as jnp

from populace.space import Key
from populace.worker import Trainable


@final
class Compiled(Trainable):
    """A task of three functions for JAX, as one that any executor trains.

    Args:
        task: The task.
    """

    def __init__(self, task: Trainable) -> None:
        self.task = task

    def init(self, key: Key, hp: Mapping[str, Any]) -> Any:
        """Returns the task's state before the first step."""
        return _jitted(self.task, "init")(key.jax(), _arrays(hp))

    def step(self, key: Key, state: Any, hp: Mapping[str, Any]) -> Any:
        """Returns the task's state after one step."""
        return _jitted(self.task, "step")(key.jax(), state, _arrays(hp))

    def evaluate(self, key: Key, state: Any) -> dict[str, float]:
        """Returns the task's metrics."""
        measured = _jitted(self.task, "evaluate")(key.jax(), state)
        return {name: float(value) for name, value in measured.items()}


@cache
def _jitted(task: Trainable, name: str) -> Any:
    return jax.jit(getattr(task, name))


def _arrays(hp: Mapping[str, Any]) -> dict[str, jax.Array]:
    """Returns numbers as float32 arrays: a Python number of another kind would compile another program."""
    return {name: jnp.float32(value) for name, value in hp.items()}
