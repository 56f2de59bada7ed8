"""The base class of tasks whose functions JAX can trace."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from populace.jax._drive import drive
from populace.worker import Driven, Loop


class Trainable(Driven):
    """A training task as three pure JAX functions.

    The same object runs under every executor; `Vectorised` trains the whole population as one compiled program, the
    others compile the steps between two evaluations into one.

    Keys are typed threefry keys. Hyperparameters are strong-typed scalars (float32, int32, bool) that may be traced, so
    that a change of them compiles nothing; those named in `static`, and those that are no numbers, are plain Python
    values, and every combination of them is a program of its own. The state is any tree of arrays whose shapes do not
    depend on traced hyperparameters. Arrays in attributes of the object are arguments of the compiled programs; all
    other attributes are constants in them.

    ```python
    class Regression(populace.jax.Trainable):
        def __init__(self, x, y):
            self.x, self.y = x, y

        def init(self, key, hp):
            return {"w": jax.random.normal(key, self.x.shape[1:])}

        def step(self, key, state, hp):
            gradient = jax.grad(lambda w: jnp.mean((self.x @ w - self.y) ** 2))(state["w"])
            return {"w": state["w"] - hp["lr"] * gradient}

        def evaluate(self, key, state):
            return -jnp.mean((self.x @ state["w"] - self.y) ** 2)
    ```
    """

    static: ClassVar[tuple[str, ...]] = ()
    """Names of hyperparameters that change shapes or code, such as a batch size."""

    @abstractmethod
    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        """Returns the state before the first step."""

    @abstractmethod
    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        """Returns the state after one step."""

    @abstractmethod
    def evaluate(self, key: Any, state: Any) -> Any:
        """Returns the score of a state, a scalar, or a dict of scalar metrics."""

    def loop(self) -> Loop:
        """Returns the task as a loop of one member; its compiled programs live as long as the loop."""
        return cast("Loop", drive(self))
