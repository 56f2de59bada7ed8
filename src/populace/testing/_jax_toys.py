"""Toy tasks in JAX, as small as those of `populace.testing` in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from populace.jax import Trainable
from populace.worker import Shrinkable

_SIZE = 4


@final
class JaxBowl(Trainable, Shrinkable):
    """Begins anywhere, shakes at every step, and is measured with noise: all three keys determine the log.

    Args:
        diverges_above: Learning rate above which the weights become NaN.
    """

    static = ("shakes",)

    def __init__(self, diverges_above: float = 1.0) -> None:
        self.scale = np.linspace(0.5, 1.0, _SIZE, dtype=np.float32)
        self.diverges_above = diverges_above

    def init(self, key: Any, hp: Mapping[str, Any]) -> dict[str, Any]:
        return {"w": jax.random.normal(key, (_SIZE,))}

    def step(self, key: Any, state: dict[str, Any], hp: Mapping[str, Any]) -> dict[str, Any]:
        shakes = jax.random.normal(key, (hp.get("shakes", 1), _SIZE)).mean(0)
        w = state["w"] * (1 - hp["lr"] * self.scale) + 0.01 * shakes
        return {"w": jnp.where(hp["lr"] > self.diverges_above, jnp.nan, w)}

    def shrink(self, state: dict[str, Any], fresh: dict[str, Any], keep: Any, renew: Any) -> dict[str, Any]:
        return {"w": keep * state["w"] + renew * fresh["w"]}

    def evaluate(self, key: Any, state: dict[str, Any]) -> dict[str, Any]:
        score = 1 - jnp.mean(state["w"] ** 2)
        return {"score": score + 0.01 * jax.random.normal(key), "norm": jnp.linalg.norm(state["w"])}
