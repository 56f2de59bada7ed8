"""Toys with a known optimum: a wave to follow, greed that is punished, a score that means nothing.

`triangle` is `populace.demos.TriangleWave` in JAX: the best rate moves with progress, so that no constant can win; the
optimum is 100, one for each tick, and the test is the progress without the noise of measuring it.

`deceptive` is after PBT-Zoo (Chebykin et al. 2025, TMLR): a learner whose hyperparameter h must fall from 1 to 0 with
time, where a smaller one is always better *now*. theta begins at 0.9 and is multiplied by 1 - 0.002 rate at each of
1000 steps, rate = max(0, 2 - h - 0.2 S), S the sum over the ticks of |h - (1000 - steps before it) / 1000|, which goes
with the weights; the score is 1.2 - theta^2. With ticks of 20 steps the fixed schedules give 0.826972 (h = 0.0001,
which is what greed chooses), 0.954622 (h = 1) and 1.197929 (falling from 1 to 0). Members begin in 0.9 .. 1.1.

`noise` has a score that is drawn anew every time: whoever narrows the hyperparameters on it has read meaning into
noise. It is about the spread that is left, not about its score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from benchmarks.suite._task import NUM_TICKS, Task
from populace.jax import Trainable
from populace.space import Key, LogUniform


@final
@dataclass(kw_only=True)
class Triangle(Trainable):
    """Progress that needs a rate which goes up and down with it; one step is a tick."""

    period: float = 100.0
    width: float = 0.2
    noise: float = 0.1

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        return {"progress": jnp.float32(0.0)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        progress = state["progress"]
        phase = (progress / self.period) % 1.0
        best = -3.0 + 2.0 * (1.0 - jnp.abs(2.0 * phase - 1.0))
        distance = jnp.log10(hp["learning_rate"]) - best
        return {"progress": progress + jnp.exp(-jnp.square(distance / self.width))}

    def evaluate(self, key: Any, state: Any) -> Any:
        return state["progress"] + self.noise * jax.random.normal(key)

    def test(self, key: Any, state: Any) -> Any:
        return state["progress"]


def triangle() -> Task:
    task = Triangle()
    return Task(
        name="triangle",
        trainable=task,
        space={"learning_rate": LogUniform(1e-3, 1e-1)},
        steps_per_tick=1,
        test=task.test,
        source="after Ray Tune's PBTBenchmarkExample; optimum 100",
    )


@final
@dataclass(kw_only=True)
class Deceptive(Trainable):
    """A learner that punishes who takes the small hyperparameter too early; one step is a tick."""

    num_ticks: int = NUM_TICKS
    num_steps: int = 1000

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        return {"theta": jnp.float32(0.9), "regret": jnp.float32(0.0), "tick": jnp.int32(0)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        wanted = 1.0 - state["tick"] / self.num_ticks
        regret = state["regret"] + jnp.abs(hp["h"] - wanted)
        rate = jnp.maximum(0.0, 2.0 - hp["h"] - 0.2 * regret)
        theta = state["theta"] * (1.0 - 0.002 * rate) ** (self.num_steps // self.num_ticks)
        return {"theta": theta, "regret": regret, "tick": state["tick"] + 1}

    def evaluate(self, key: Any, state: Any) -> Any:
        return 1.2 - jnp.square(state["theta"])

    def test(self, key: Any, state: Any) -> Any:
        return self.evaluate(key, state)


def deceptive() -> Task:
    task = Deceptive()
    return Task(
        name="deceptive",
        trainable=task,
        space={"h": LogUniform(1e-4, 1.1)},
        steps_per_tick=1,
        test=task.test,
        initial=_near_one,
        source="after PBT-Zoo; a falling schedule gives 1.198, the greedy one 0.83",
    )


def _near_one(key: Key) -> dict[str, float]:
    return {"h": float(key.generator().uniform(0.9, 1.1))}


@final
class Noise(Trainable):
    """A score of nothing but noise."""

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        return {"nothing": jnp.float32(0.0)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        return state

    def evaluate(self, key: Any, state: Any) -> Any:
        return jax.random.normal(key)

    def test(self, key: Any, state: Any) -> Any:
        return jnp.float32(0.0)


def noise() -> Task:
    task = Noise()
    return Task(
        name="noise",
        trainable=task,
        space={"a": LogUniform(1e-4, 1.0), "b": LogUniform(1e-4, 1.0), "c": LogUniform(1e-4, 1.0)},
        steps_per_tick=1,
        test=task.test,
        source="a score drawn from N(0, 1): nothing can be learnt, so the hyperparameters must keep their spread",
    )
