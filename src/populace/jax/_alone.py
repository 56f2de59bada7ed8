"""The programs of one member that trains alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, final

import jax
import numpy as np

from populace.core import Shrink
from populace.jax._programs import SCORE, Programs, Shape
from populace.space import Hyperparameters

if TYPE_CHECKING:
    from populace.jax._trainable import Trainable


@final
class Alone:
    """Trains a member by the program that a population trains by, with room for one."""

    def __init__(self, task: Trainable) -> None:
        self._programs = Programs(task, None)
        self._data = jax.device_put(self._programs.data)
        self._compiled: dict[tuple[Shape, int], Any] = {}

    def init(self, key: Any, hp: Hyperparameters) -> Any:
        """Returns the member's first state."""
        return self._programs.init(key, hp)

    def shrunk(self, state: Any, fresh: Any, shrink: Shrink) -> Any:
        """Returns a state shrunk and perturbed."""
        return self._programs.shrunk(state, fresh, shrink)

    def train(
        self, count: int, state: Any, key: np.ndarray, start: int, hp: Hyperparameters
    ) -> tuple[Any, dict[str, float] | float]:
        """Returns the state after some steps, and what its evaluation told."""
        shape = Shape.of(hp, self._programs.static)
        if (shape, count) not in self._compiled:
            self._compiled[shape, count] = jax.jit(partial(self._programs.train, shape, (count,)))
        arrays = {name: values[0] for name, values in shape.arrays([hp]).items()}
        state, metrics = self._compiled[shape, count](self._data, state, key, np.int32(start), arrays)
        told = {name: float(values[0]) for name, values in metrics.items()}
        return state, told.get(SCORE, told)
