"""Tasks written in JAX: three pure functions that run alone, in worker processes, or as a whole population at once."""

from populace.jax._programs import SCORE, Programs, Shape
from populace.jax._trainable import Trainable

__all__ = ["SCORE", "Programs", "Shape", "Trainable"]
